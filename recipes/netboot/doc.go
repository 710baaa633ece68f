// Package netboot knows the folder that a machine without a disk boots from: the kernel, the
// initial RAM disk, the root in one file, and the script by which iPXE loads the three.
//
//	text, err := netboot.Script{Name: "web", Title: "web", Line: "quiet", Files: files}.Blob()
//	folder, bad := netboot.Verify(ctx, "tftp/web", signature.Verifier{Roots: roots})
//
// A folder for kexec holds the kernel, one initial RAM disk with the root in it, and a script
// ([Run]) by which a running system starts them.
//
// Files may be signed, one by one. A signature binds no name, so the script compares the
// digests of what it loads, and the manifest, which is signed too, lists each file by its
// name. [Verify] checks a folder by both.
//
// # Limits
//
// That a folder is the newest cannot be found out: an older one, signed as a whole, passes.
package netboot
