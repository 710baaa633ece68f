package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"ingot/image"
	"ingot/image/iso9660"
	"ingot/partition/erofs"
	"ingot/partition/squashfs"
)

// iso turns the closure, as plain files, into an ISO.
func (b *bench) iso() error {
	if err := warm(b.dir); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(b.dir, name) }
	results, err := race(b.runs, []contestant{
		{name: "ingot", output: file("ingot.iso"), args: []string{b.self, "work", "iso", file("root"), file("ingot.iso")}},
		{name: "xorriso -as mkisofs", aim: 3, output: file("xorriso.iso"), args: []string{
			"xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-R", "-o", file("xorriso.iso"), file("root")}},
		{name: "cat", aim: 1 / 1.3, output: file("cat"), stdin: file("files"),
			args: []string{"sh", "-c", `xargs -0 cat > "$1"`, "sh", file("cat")}},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, "iso: the closure to an ISO with plain files", results)
	return nil
}

// squashfs compresses the closure into an ISO.
func (b *bench) squashfs() error {
	if err := warm(b.dir); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(b.dir, name) }
	results, err := race(min(b.runs, 3), []contestant{
		{name: "ingot", output: file("ingot.iso"), args: []string{b.self, "work", "squashfs", file("root"), file("ingot.iso")}},
		{name: "mksquashfs", aim: 1 / 1.1, output: file("squashfs"), args: []string{
			"mksquashfs", file("root"), file("squashfs"), "-noappend", "-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "6", "-b", "1M"}},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, "squashfs: the closure compressed (zstd, level 6, blocks of 1 MiB), as one file on an ISO; mksquashfs writes that file alone", results)
	return nil
}

// erofs turns the closure into an ISO that holds it in one file which is not compressed.
func (b *bench) erofs() error {
	if err := warm(b.dir); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(b.dir, name) }
	results, err := race(min(b.runs, 3), []contestant{
		{name: "ingot", output: file("ingot.iso"), args: []string{b.self, "work", "erofs", file("root"), file("ingot.iso")}},
		{name: "mkfs.erofs", aim: 3, output: file("erofs"), args: []string{"mkfs.erofs", "-T1", "--all-root", file("erofs"), file("root")}},
		{name: "mksquashfs", output: file("squashfs"), args: []string{
			"mksquashfs", file("root"), file("squashfs"), "-noappend", "-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "6", "-b", "1M"}},
		{name: "cat", aim: 1 / 1.3, output: file("cat"), stdin: file("files"),
			args: []string{"sh", "-c", `xargs -0 cat > "$1"`, "sh", file("cat")}},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, "erofs: the closure as one EROFS on an ISO; the others write a file alone", results)
	return nil
}

// workEROFS writes a folder as an ISO that holds it in one EROFS: DIR OUT.
func workEROFS(args []string) error {
	root, err := image.Scan(args[0], image.ScanOptions{Canonical: true})
	if err != nil {
		return err
	}
	volume, err := erofs.FileSystem{}.Layout(&image.Tree{Root: root}, image.Volume{Size: image.Fit(0)})
	if err != nil {
		return err
	}
	return writeMedium("/root.erofs", volume, args[1])
}

// workSquashfs writes a folder as an ISO that holds it in one file: DIR OUT.
func workSquashfs(args []string) error {
	ctx := context.Background()
	root, err := image.Scan(args[0], image.ScanOptions{Canonical: true})
	if err != nil {
		return err
	}
	tool, err := squashfs.Find(ctx, filepath.SplitList(os.Getenv("PATH")))
	if err != nil {
		return err
	}
	done := int64(0)
	img, err := tool.Make(ctx, &image.Tree{Root: root}, filepath.Dir(args[1]), squashfs.Options{Progress: func(n, _ int64) { atomic.AddInt64(&done, n) }})
	if err != nil {
		return err
	}
	defer img.Close()
	if err := writeMedium("/root.squashfs", img.Map, args[1]); err != nil {
		return err
	}
	fmt.Println(done>>20, "MiB packed")
	return nil
}

// writeMedium writes an ISO with one file.
func writeMedium(name string, data image.Blob, out string) error {
	medium := image.NewTree()
	if err := medium.Put(name, image.NewFile(0o444, data)); err != nil {
		return err
	}
	m, err := iso9660.Layout(medium, iso9660.Options{VolumeID: "BENCH"})
	if err != nil {
		return err
	}
	if err := image.WriteRaw(context.Background(), m, out, image.WriteOptions{NoSync: true}); err != nil {
		return err
	}
	fmt.Println(m.Size()>>20, "MiB")
	return nil
}

// workISO writes a folder as an ISO: DIR OUT.
func workISO(args []string) error {
	root, err := image.Scan(args[0], image.ScanOptions{})
	if err != nil {
		return err
	}
	m, err := iso9660.Layout(&image.Tree{Root: root}, iso9660.Options{VolumeID: "BENCH"})
	if err != nil {
		return err
	}
	if err := image.WriteRaw(context.Background(), m, args[1], image.WriteOptions{NoSync: true}); err != nil {
		return err
	}
	fmt.Println(m.Size()>>20, "MiB")
	return nil
}
