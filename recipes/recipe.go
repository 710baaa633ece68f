package recipes

import (
	"encoding/json"

	"ingot/bootloader"
	"ingot/image"
	"ingot/partition"
	"ingot/partition/volume"
	"ingot/recipes/script"
)

// A Recipe describes an image. A YAML file of the recipe language decodes to it; the names in
// the tags are the keys of the language.
type Recipe struct {
	Name       string     `json:"name" jsonschema:"required" jsonschema_description:"The image's name. ingot derives identifiers from it, and the output's file name if none is given."`
	Seed       string     `json:"seed,omitempty" jsonschema_description:"Text that goes into derived identifiers (UUIDs, serial numbers), in addition to the recipe and the closure. Two recipes that differ only in it give disks that can be attached to one machine."`
	Arch       string     `json:"arch,omitempty" jsonschema:"enum=x86_64,enum=i686,enum=aarch64,enum=armhf,enum=riscv64" jsonschema_description:"The processor architecture of the image: x86_64, i686, aarch64, armhf or riscv64. It selects the GRUB to install; kernel and programs must be built for it. Default: x86_64, on every host."`
	System     *System    `json:"system,omitempty" jsonschema_description:"The system to boot: the store path of a NixOS or Guix system, or a mapping that describes a small system made by ingot itself."`
	Store      Store      `json:"store,omitzero" jsonschema_description:"The contents of the store."`
	Disk       Disk       `json:"disk" jsonschema:"required" jsonschema_description:"The partition table and the partitions."`
	Bootloader Bootloader `json:"bootloader,omitzero" jsonschema_description:"How the disk boots. Default: no boot loader."`
	Steps      []Step     `json:"steps,omitempty" jsonschema_description:"Commands that ingot runs in this order, as root in a virtual machine, on the finished disk before it is written."`
	Output     Output     `json:"output,omitzero" jsonschema_description:"The output format and its options."`
	Lint       Lint       `json:"lint,omitzero" jsonschema_description:"How the image is judged before it is made."`
	Machine    *Machine   `json:"machine,omitempty" jsonschema_description:"The machines in which ingot run and ingot test start the image. It does not change the image."`
	Tests      []Test     `json:"tests,omitempty" jsonschema_description:"Boot tests. ingot test runs them; ingot build --test runs them before the image appears under its name. They do not change the image."`

	src     *source
	scripts []*script.Script
}

// Reads reports whether the file at path is the recipe's own, or one that it names.
func (r *Recipe) Reads(path string) bool {
	for _, p := range append(r.src.reads, r.src.file) {
		if image.SameFile(p, path) {
			return true
		}
	}
	return false
}

// At gives an error the place of a key in the recipe's file: that of the key's value, or of
// the nearest key around it. The path of a key is written "disk.partitions[1].label".
func (r *Recipe) At(key string, err error) *Error { return r.src.wrap(key, err) }

// Errorf is [Recipe.At] for an error with this text.
func (r *Recipe) Errorf(key, format string, args ...any) *Error {
	return r.src.errorf(key, format, args...)
}

// System is what boots: a store path, or a system to be made.
type System struct {
	// Path is the store path of a system that a closure of the store brings.
	Path StorePath `json:"path,omitempty" jsonschema_description:"The store path of a NixOS or Guix system, or a link to one such as ./result. system: PATH is short for it."`
	// InitrdSecrets are those that NixOS adds to the initial RAM disk when it installs a boot loader.
	InitrdSecrets map[string]Secret `json:"initrd-secrets,omitempty" jsonschema_description:"With path: the secrets that a NixOS system wants in its initial RAM disk (boot.initrd.secrets), by their paths there. Each is {file: PATH} or {environment: NAME}, taken byte for byte. ingot puts them into a second initial RAM disk, which the boot loader loads behind the system's own, and not into the store."`
	// Kernel is the folder that the kernel of a system made by ingot is taken from.
	Kernel   Path     `json:"kernel,omitempty" jsonschema_description:"A folder with boot/vmlinuz-* and lib/modules, such as an unpacked kernel package; or 'host' for the kernel that INGOT_KERNEL names, or else the host's own."`
	Program  Path     `json:"program,omitempty" jsonschema_description:"The ingot binary that becomes the system's init, shell and commands; needed if the image's architecture is not the host's. Default: the running ingot."`
	Modules  []string `json:"modules,omitempty" jsonschema_description:"Further kernel modules for the initial RAM disk to load. It always loads those that find the disk and mount its root."`
	Hostname string   `json:"hostname,omitempty" jsonschema_description:"The host name. Default: the recipe's name."`

	Tools         Paths    `json:"tools,omitempty" jsonschema_description:"Programs to add to ingot's own, with the libraries they need: names of Debian packages installed on the host, .deb files, or store paths or links to them."`
	OptionalTools Paths    `json:"optional-tools,omitempty" jsonschema_description:"Like tools, but a package that is not installed or a file that does not exist is skipped, not an error."`
	WithoutTools  []string `json:"without-tools,omitempty" jsonschema_description:"Programs of these packages to leave out, with the libraries that only they need."`
	Network       string   `json:"network,omitempty" jsonschema_description:"dhcp, INTERFACE:dhcp, ADDRESS/BITS:GATEWAY:NAMESERVER, or any value of the kernel's ip= parameter. Default: no network."`
	SSH           *SSH     `json:"ssh,omitempty" jsonschema_description:"Logins over ssh. Default: none."`
	Hooks         Hooks    `json:"hooks,omitzero" jsonschema_description:"Scripts that the system runs while it starts."`
}

// Hooks are scripts, for ingot's shell, that a system of ingot's own runs as it starts. One
// that fails is reported on the console, and the start goes on.
type Hooks struct {
	PreMount string `json:"pre-mount,omitempty" jsonschema_description:"A script that the initial RAM disk runs after it has loaded its modules and before it looks for the root."`
	PostBoot string `json:"post-boot,omitempty" jsonschema_description:"A script that the system runs at the end of its start, after /etc/rc and before a shell; it becomes /etc/rc.local."`
}

// SSH are the keys of logins to a system that ingot makes.
type SSH struct {
	Keys []string `json:"keys,omitempty" jsonschema_description:"Public keys, in the form of lines of authorized_keys. ingot build --ssh-key, ingot run --ssh and, in the running system, /root/.ssh/authorized_keys add more. Without a key nobody can log in."`
}

// Store is the contents of the store, and how they are registered.
type Store struct {
	Flavour     string     `json:"flavour,omitempty" jsonschema:"enum=nix,enum=guix" jsonschema_description:"The kind of store: nix or guix. Default: that of the system's path, or nix."`
	Closures    []Closure  `json:"closures,omitempty" jsonschema_description:"Closures to put into the store. Default: that of the system, from the store's database or from where the flags of the command say."`
	Add         []Addition `json:"add,omitempty" jsonschema_description:"Plain files and folders to add to the store under their content address, as nix-store --add does."`
	Profile     StorePath  `json:"profile,omitempty" jsonschema_description:"The store path that the system profile points to. Default: the recipe's system."`
	Roots       []Root     `json:"roots,omitempty" jsonschema_description:"Further GC roots."`
	Deduplicate bool       `json:"deduplicate,omitempty" jsonschema_description:"Replace files of equal contents by hard links to one file, through .links, as nix-store --optimise does."`
	Verify      bool       `json:"verify,omitempty" jsonschema_description:"Hash all items instead of trusting the hashes of a registration."`
}

// Closure is one source of store items.
type Closure struct {
	Graph        Paths     `json:"graph,omitempty" jsonschema_description:"Reference graphs, as exportReferencesGraph and #:references-graphs write them: one file or a list."`
	Registration Paths     `json:"registration,omitempty" jsonschema_description:"Registration files, as nix-store --load-db reads them, with hashes and sizes: one file or a list."`
	PathInfo     Paths     `json:"path-info,omitempty" jsonschema_description:"The output of nix path-info --json --recursive, or the .attrs.json of a build, with hashes and sizes: one file or a list."`
	Path         StorePath `json:"path,omitempty" jsonschema_description:"A store path, or a link to one such as ./result. ingot reads its closure from the store's database, or from a binary cache."`
	Root         Path      `json:"root,omitempty" jsonschema_description:"With path: the root directory of the store to read. Default: /."`
	From         Path      `json:"from,omitempty" jsonschema_description:"The folder that holds the store items. Default: the store directory."`

	Cache    Paths    `json:"cache,omitempty" jsonschema_description:"With path: the binary caches to read the closure from, asked in turn: URLs (https, http, file) or folders, one or a list."`
	Keys     []string `json:"keys,omitempty" jsonschema_description:"With cache: the trusted public keys, as NAME:BASE64 or Guix's (public-key …). Default: those of https://cache.nixos.org, or of Guix's own servers."`
	Unsigned bool     `json:"unsigned,omitempty" jsonschema_description:"With cache: also accept paths without a signature by a trusted key."`
}

// Addition is a file or folder that joins the store.
type Addition struct {
	Name   string `json:"name" jsonschema:"required" jsonschema_description:"The name in the store path."`
	Source Path   `json:"source" jsonschema:"required" jsonschema_description:"The file or folder."`
	Unpack bool   `json:"unpack,omitempty" jsonschema_description:"The source is a tarball (plain or compressed with gzip, xz, zstd, bzip2, lzip, lz4 or lzma) or a Debian package; add its files instead of the archive."`
	Strip  int    `json:"strip,omitempty" jsonschema_description:"With unpack: the number of leading directories to strip from every name; 1 suits a source tarball."`
}

// Root is a garbage collector root.
type Root struct {
	Name string    `json:"name" jsonschema:"required" jsonschema_description:"The name of the link in gcroots."`
	Path StorePath `json:"path" jsonschema:"required" jsonschema_description:"The store path to protect from garbage collection, or a link to it."`
}

// Disk is a partition table with its partitions.
type Disk struct {
	Table      string      `json:"table,omitempty" jsonschema:"enum=gpt,enum=mbr,enum=msdos,enum=hybrid" jsonschema_description:"The partition table: gpt, mbr (or msdos), or hybrid, a GPT whose MBR also lists some of its partitions. Default: gpt."`
	Size       Size        `json:"size,omitzero" jsonschema_description:"The size of the whole disk. Default: what the partitions need."`
	GUID       string      `json:"guid,omitempty" jsonschema_description:"The disk GUID of a GPT."`
	Signature  string      `json:"signature,omitempty" jsonschema_description:"The disk signature of an MBR, eight hexadecimal digits."`
	Align      Size        `json:"align,omitzero" jsonschema_description:"The alignment of partitions. Default: 1MiB."`
	Raw        []Raw       `json:"raw,omitempty" jsonschema_description:"Files to put outside of partitions, where the boot ROMs of boards look for them. ingot places partitions around them. They must not overlap the table, a partition with a start, or GRUB."`
	Partitions []Partition `json:"partitions" jsonschema:"required" jsonschema_description:"The partitions, in their order on the disk."`
}

// Raw is a file whose bytes lie outside of partitions.
type Raw struct {
	At     Offset `json:"at" jsonschema:"required" jsonschema_description:"The offset of its first byte from the start of the disk, such as 8KiB."`
	Source Source `json:"source" jsonschema:"required" jsonschema_description:"The file."`
}

// Source is a file whose bytes are wanted.
type Source struct {
	From Path   `json:"from" jsonschema:"required" jsonschema_description:"The file; or, with file, the folder, tarball or Debian package that contains it. It may lie in a store item. source: PATH is short for it."`
	File string `json:"file,omitempty" jsonschema_description:"The file's path in the folder, tarball or package, such as usr/lib/u-boot/pine64_plus/u-boot-sunxi-with-spl.bin."`
}

// PartSize is the size of a partition: spelled as a [Size], or as "40%", a share of what
// all else leaves of the disk.
type PartSize struct {
	image.Size
	Text  string
	Share partition.Share `json:",omitempty"`
}

// Partition is one partition of a disk.
type Partition struct {
	Name       string            `json:"name" jsonschema:"required" jsonschema_description:"The partition's name, which a GPT records."`
	Type       string            `json:"type,omitempty" jsonschema_description:"The partition's type. Names: linux, esp, bios-boot, boot, swap, home, srv, var, tmp, lvm, raid, luks, data, fat12, fat16, fat32, ntfs, prep. For the recipe's arch: root, root-verity, root-verity-sig, usr, usr-verity, usr-verity-sig; for another, with a suffix as in root-arm64: x86, x86-64, alpha, arc, arm, arm64, ia64, loongarch64, mips-le, mips64-le, parisc, ppc, ppc64, ppc64-le, riscv32, riscv64, s390, s390x, tilegx. Or a GUID; or, in an mbr table, a byte such as 0x83. The types esp and fat12 to fat32 imply filesystem: fat, and swap implies filesystem: swap. Default: swap for filesystem: swap; luks for encrypt: luks; esp for the FAT that EFI starts from (one named esp or efi, mounted at /boot, /efi or /boot/efi, or with files in /EFI, or else the one that GRUB for EFI needs); data for any other FAT; linux for everything else."`
	GUID       string            `json:"guid,omitempty" jsonschema_description:"The partition's GUID in a GPT."`
	Flags      []string          `json:"flags,omitempty" jsonschema_description:"Flags of the partition table's entry, such as boot."`
	MBR        bool              `json:"mbr,omitempty" jsonschema_description:"In a hybrid table: also list this partition in the MBR."`
	Start      Size              `json:"start,omitzero" jsonschema_description:"The offset at which the partition begins. Default: after the previous partition."`
	Size       PartSize          `json:"size,omitzero" jsonschema_description:"8GiB: exactly this size. fit: as small as the contents allow. fit+512MiB: with 512 MiB of free space. 40%: a share of the space that everything else leaves on the disk, so 100% is the rest; the disk must have a size. Default: fit; for an ESP fit+64MiB, which leaves space for a second kernel."`
	Source     *Source           `json:"source,omitempty" jsonschema_description:"A file to copy into the partition byte for byte, in place of a file system."`
	Filesystem string            `json:"filesystem,omitempty"`
	Encrypt    string            `json:"encrypt,omitempty" jsonschema:"enum=luks" jsonschema_description:"luks: put the file system into a LUKS 2 container, made by the host's cryptsetup in a virtual machine. An encrypted root needs a partition for the kernels: an ext4 with mount: /boot."`
	LUKSUUID   string            `json:"luks-uuid,omitempty" jsonschema_description:"With encrypt: the UUID of the container. Default: derived."`
	Passphrase *Secret           `json:"passphrase,omitempty" jsonschema_description:"With encrypt: the source of the passphrase. A newline at its end is removed."`
	Mount      string            `json:"mount,omitempty" jsonschema_description:"Where the system mounts it; steps find it there below /mnt, or below / with in: root. The partition with /boot, if there is one, gets the menu and the kernels. One with the store at /nix or /nix/store (/gnu, /gnu/store) holds what lies there, and the partition mounted at / the rest. Default: / for the partition with the store; others are not mounted."`
	Label      string            `json:"label,omitempty" jsonschema_description:"The file system's label."`
	UUID       string            `json:"uuid,omitempty" jsonschema_description:"The file system's UUID, or a FAT's serial number as ABCD-1234. Default: derived."`
	Options    FileSystemOptions `json:"-"` // keys of one kind of file system each
	Contents   Contents          `json:"contents,omitzero" jsonschema_description:"The files in the file system."`
}

// Contents is what a file system holds.
type Contents struct {
	Store bool   `json:"store,omitempty" jsonschema_description:"The store, its database, the garbage collector roots and the profile."`
	From  Path   `json:"from,omitempty" jsonschema_description:"A folder whose contents to copy in. root owns the copies, unless user says otherwise."`
	User  string `json:"user,omitempty" jsonschema_description:"With from: the owner of the copies, by name from /etc/passwd in the image's own root, or a number. Its primary group is the default of group. Default: root."`
	Group string `json:"group,omitempty" jsonschema_description:"With from: the group of the copies, by name from /etc/group in the image's own root, or a number. Default: root."`
	// Metadata of the host's files that decide the bytes of an image only on request.
	HardLinks string `json:"hard-links,omitempty" jsonschema:"enum=keep" jsonschema_description:"With from: keep preserves hard links between files of the folder. Default: each name is a file of its own."`
	Modes     string `json:"modes,omitempty" jsonschema:"enum=keep" jsonschema_description:"With from: keep preserves all permissions. Default: 0755 for directories and executables and 0644 for other files, whatever the umask was, with their setuid, setgid and sticky bits; but 0700 for /root and 1777 for /tmp and /var/tmp of a root."`
	Times     string `json:"times,omitempty" jsonschema:"enum=keep" jsonschema_description:"With from: keep preserves modification times. Default: one second after the start of 1970."`
	Xattrs    string `json:"xattrs,omitempty" jsonschema:"enum=keep,enum=drop" jsonschema_description:"With from: keep copies all extended attributes, including those of SELinux, IMA and ACLs; drop copies none. Default: user.* and security.capability; a warning names others."`
	Files     []File `json:"files,omitempty" jsonschema_description:"Single files, directories, links and devices."`
}

// File is one file of a partition's contents.
type File struct {
	Path      string            `json:"path" jsonschema:"required" jsonschema_description:"Its absolute path in the file system."`
	Text      *string           `json:"text,omitempty" jsonschema_description:"The contents, literally."`
	Source    Path              `json:"source,omitempty" jsonschema_description:"A file or folder of the host to copy."`
	Directory bool              `json:"directory,omitempty" jsonschema_description:"Make a directory."`
	Link      string            `json:"link,omitempty" jsonschema_description:"Make a symlink with this target."`
	Device    string            `json:"device,omitempty" jsonschema_description:"Make a device, such as 'c 5:1' or 'b 8:0'."`
	Mode      *Mode             `json:"mode,omitempty" jsonschema_description:"Permissions in octal. Default: those of the source; without one, 0644 for files and 0755 for directories, but 0700 for /root and 1777 for /tmp and /var/tmp."`
	UID       uint32            `json:"uid,omitempty" jsonschema_description:"The owner's number; of a source folder, that of the folder alone. Default: 0."`
	GID       uint32            `json:"gid,omitempty" jsonschema_description:"The group's number; of a source folder, that of the folder alone. Default: 0."`
	User      string            `json:"user,omitempty" jsonschema_description:"The owner by name, from /etc/passwd in the image's own root, or a number; also of all files in a source folder. Its primary group is the default of group."`
	Group     string            `json:"group,omitempty" jsonschema_description:"The group by name, from /etc/group in the image's own root, or a number; also of all files in a source folder."`
	Xattrs    map[string]string `json:"xattrs,omitempty" jsonschema_description:"Extended attributes, by their full names."`
}

// Bootloader is the way a disk boots.
type Bootloader struct {
	Loader    Loader   `json:"-"` // which recipes name by a key of its own
	Timeout   *int     `json:"timeout,omitempty" jsonschema_description:"Seconds before the default entry boots; 0 boots at once, -1 waits for ever. Default: 5."`
	Default   string   `json:"default,omitempty" jsonschema_description:"The title of the default entry. Default: the first."`
	Console   []string `json:"console,omitempty" jsonschema_description:"Consoles of the menu and the kernel: tty0, ttyS0 or ttyS0,115200. The last becomes /dev/console."`
	Arguments []string `json:"arguments,omitempty" jsonschema_description:"Kernel arguments, added to the system's own."`
	Entries   []Entry  `json:"entries,omitempty" jsonschema_description:"Further menu entries."`
	// Generations are what a system profile remembers beside its newest generation.
	Generations []Generation `json:"generations,omitempty" jsonschema_description:"The earlier systems, the oldest first: store paths, or {number: 41, path: PATH} for a generation with another number than the one after the generation before it. With the recipe's system as the newest, they become the generations of the system profile, whatever boot loader the disk has, and entries of a submenu of a menu that ingot makes. If one that has a number is the recipe's system, the profile leads to it, and no other is added."`
}

// A Generation is a system that a profile has led to.
type Generation struct {
	Number int       `json:"number,omitempty" jsonschema_description:"The generation's number. Default: one more than that of the generation before it; 1 for the first."`
	Path   StorePath `json:"path" jsonschema:"required" jsonschema_description:"The store path of the system. generations: [PATH] is short for it."`
}

// MarshalJSON gives the form that an image's identifiers are derived from: the path alone where
// there is no number.
func (g Generation) MarshalJSON() ([]byte, error) {
	if g.Number == 0 {
		return json.Marshal(g.Path)
	}
	type all Generation
	return json.Marshal(all(g))
}

// Entry is one entry of the boot menu.
type Entry struct {
	Title     string    `json:"title" jsonschema:"required" jsonschema_description:"The entry's line in the menu."`
	System    StorePath `json:"system,omitempty" jsonschema_description:"The store path of the system that provides kernel, initial RAM disk and arguments."`
	Kernel    string    `json:"kernel,omitempty" jsonschema_description:"The kernel's path in the file system that holds the store."`
	Initrd    []string  `json:"initrd,omitempty" jsonschema_description:"The paths of initial RAM disks in the same file system."`
	Arguments []string  `json:"arguments,omitempty" jsonschema_description:"Kernel arguments of this entry."`
	Submenu   string    `json:"submenu,omitempty" jsonschema_description:"The submenu of the entry, such as 'Older generations'."`
}

// Output is the format of the output.
type Output struct {
	Format      string `json:"format,omitempty"`
	Volume      string `json:"volume,omitempty" jsonschema_description:"iso: the volume id, up to 32 letters, digits and _.+-. Default: the label by which the system looks for its medium, or the recipe's name."`
	UUID        string `json:"uuid,omitempty" jsonschema_description:"iso: the UUID of the volume, a date such as 2026-11-21-02-03-04-05. A Guix system whose root is (uuid … 'iso9660) looks for it. Default: derived from recipe and closure."`
	Publisher   string `json:"publisher,omitempty" jsonschema_description:"iso: the publisher, up to 128 characters."`
	Application string `json:"application,omitempty" jsonschema_description:"iso: the application that made it, up to 128 characters."`
	Joliet      bool   `json:"joliet,omitempty" jsonschema_description:"iso: add names for Windows."`
	Store       string `json:"store,omitempty" jsonschema:"enum=files,enum=squashfs,enum=erofs" jsonschema_description:"iso, netboot: the form of the store. files: plain files. squashfs: one compressed file, with the root of a system made by ingot, or with the store of a NixOS system. erofs: one uncompressed file, quick to make, with the root of a system made by ingot. Default: squashfs for netboot, and for iso if the initial RAM disk of a NixOS system looks for it; otherwise files."`
	Compression string `json:"compression,omitempty" jsonschema_description:"squashfs: zstd, xz, gzip or none; default: zstd. qcow2: zlib, which every QEMU reads, zstd, which is faster, or none; default: none."`
	Level       int    `json:"level,omitempty" jsonschema_description:"squashfs: the level of zstd, 1 to 22, or gzip, 1 to 9; default: 6. Level 19 saves a tenth of the space and takes 25 times as long. qcow2: the level of zlib, 1 to 9, default: 6; or of zstd, 1 to 22, default: 3."`
	BlockSize   Size   `json:"block-size,omitzero" jsonschema_description:"squashfs: the block size, a power of two from 4KiB to 1MiB. Default: 1MiB."`
	Sign        *Sign  `json:"sign,omitempty" jsonschema_description:"netboot: sign each file for iPXE's imgverify. The script then also compares the digest of each file, which needs iPXE 2.0 or later with DIGEST_CMD."`
	Password    string `json:"password,omitempty" jsonschema_description:"netboot: the password that iPXE asks for before it opens a shell. The script contains it in plain text. A signed script offers a shell only with a password."`
}

// Sign names the key that signs the files of a netboot folder.
type Sign struct {
	Key            Path `json:"key" jsonschema:"required" jsonschema_description:"The private key, in PEM: RSA, which every iPXE can check, or ECDSA over P-256 or P-384, which needs iPXE 2.0 or later."`
	Certificate    Path `json:"certificate" jsonschema:"required" jsonschema_description:"The key's certificate, in PEM, which must have the key usage digitalSignature and the extended key usage codeSigning."`
	Chain          Path `json:"chain,omitzero" jsonschema_description:"The certificates that follow the key's, up to and including the trusted root, in PEM. Each signature contains them."`
	OnlySignatures bool `json:"only-signatures,omitempty" jsonschema_description:"Make a script that compares no digests, for iPXE before 2.0 or without DIGEST_CMD: it accepts any signed file under any name."`
}

// Step is a command that a virtual machine runs on the finished disk.
type Step struct {
	Name     string            `json:"name" jsonschema:"required" jsonschema_description:"The step's name in errors and in the manifest."`
	Script   string            `json:"script,omitempty" jsonschema_description:"A script for /bin/sh, which ends at the first command that fails."`
	File     Path              `json:"file,omitzero" jsonschema_description:"A file with the script, instead of script."`
	Run      Words             `json:"run,omitempty" jsonschema_description:"A command with its arguments, instead of script; with in: root, a program of the closure."`
	In       string            `json:"in,omitempty" jsonschema:"enum=helper,enum=root" jsonschema_description:"helper: run in the helper VM, with ingot's commands, the image's root at /mnt, and the disk as /dev/vda. root: run in the image's root, with its own programs. Default: helper."`
	Programs []string          `json:"programs,omitempty" jsonschema_description:"With in: helper: programs of the host to provide, with their libraries, such as sgdisk."`
	Env      map[string]string `json:"environment,omitempty" jsonschema_description:"Environment variables."`
	Secrets  map[string]Secret `json:"secrets,omitempty" jsonschema_description:"Environment variables with secret values, which are not part of the recipe. ingot removes them from the output it shows."`
}

// Secret is the source of a secret. One newline at its end is no part of it.
type Secret struct {
	File        Path   `json:"file,omitzero" jsonschema_description:"A file that contains only the secret."`
	Environment string `json:"environment,omitempty" jsonschema_description:"The variable of ingot's environment that contains the secret."`
}

// Lint says what to pass over where systems are held against the image that they boot from.
type Lint struct {
	Ignore []string `json:"ignore,omitempty" jsonschema_description:"Names of findings to pass over, such as root-label, or all. docs/lint.md lists them."`
}

// IgnoreAll stands for all findings.
const IgnoreAll = "all"

// Machine describes the machines that a recipe is run in. It has no influence on the image.
type Machine struct {
	Firmware Paths `json:"firmware,omitempty" jsonschema_description:"The UEFI firmware: the file of its code, beside which its variables lie; the list [CODE, VARS]; or the folder that has both. Default: the first that is found."`
	Memory   Size  `json:"memory,omitzero" jsonschema_description:"The memory, such as 1GiB. Default: 512MiB."`
}

// A Test is a boot test that a recipe carries. It has no influence on the image.
type Test struct {
	Name   string `json:"name" jsonschema:"required" jsonschema_description:"The test's name."`
	Script Script `json:"script" jsonschema:"required" jsonschema_description:"The steps of the test, one to a line; see ingot test --list-commands."`
}

// Script is the text of a test, and the line of its file at which it begins.
type Script struct {
	Text string
	Line int // 0 if it did not stand in the file
}

// Size is a number of bytes as recipes spell it: "8GiB", "fit", "fit+512MiB".
type Size struct {
	image.Size
	Text string
}

// Offset is a number of bytes from the start of a disk, spelled as a size.
type Offset int64

// Path is a path of the host. One that is not absolute is relative to the recipe's file.
type Path = bootloader.Path

// StorePath is a store path. A recipe may give a link to one.
type StorePath string

// Paths is one path or a list of them.
type Paths = bootloader.Paths

// Mode is the permissions of a file, written in octal.
type Mode uint32

// IsZero reports whether the key was left out.
func (s Size) IsZero() bool { return s.Text == "" }

// IsZero reports whether the key was left out.
func (s PartSize) IsZero() bool { return s.Text == "" }

// Words are a command with its arguments, any of which may be empty.
type Words []string

// Loader is the boot loader of a recipe, which names it by a key of its own; the zero value
// is none.
type Loader struct {
	Kind bootloader.Kind
	bootloader.Loader

	other string // the key of a second one
}

// FileSystemOptions are the keys of a partition that are a matter of one kind of file system:
// those of all kinds, since the key filesystem may come after them.
type FileSystemOptions []fileSystemOptions

type fileSystemOptions struct {
	kind *volume.Kind
	volume.Options
}
