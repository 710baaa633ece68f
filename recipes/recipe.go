package recipes

import (
	"ingot/bootloader"
	"ingot/image"
	"ingot/partition"
	"ingot/partition/volume"
	"ingot/recipes/script"
)

// A Recipe says what an image holds. It is what a YAML file of the recipe language
// decodes to; the names in the tags are the keys of the language.
type Recipe struct {
	Name       string     `json:"name" jsonschema:"required" jsonschema_description:"What the image is called. Identifiers are derived from it, and so is the name of the output where none is given."`
	Seed       string     `json:"seed,omitempty" jsonschema_description:"Text that identifiers (UUIDs, serial numbers) are derived from in addition to the recipe and the closure: two recipes alike but for it give disks that can stand side by side."`
	Arch       string     `json:"arch,omitempty" jsonschema:"enum=x86_64,enum=i686,enum=aarch64,enum=armhf,enum=riscv64" jsonschema_description:"The processor that the image is for: x86_64 (the default, on every host), i686, aarch64, armhf or riscv64. It decides which GRUB is installed, and what the kernel and the programs have to be made for."`
	System     *System    `json:"system,omitempty" jsonschema_description:"The system to boot: the store path of a NixOS or Guix system, or a mapping that describes a small one that ingot makes itself."`
	Store      Store      `json:"store,omitzero" jsonschema_description:"What goes into the store."`
	Disk       Disk       `json:"disk" jsonschema:"required" jsonschema_description:"The partition table and the partitions."`
	Bootloader Bootloader `json:"bootloader,omitzero" jsonschema_description:"How the disk boots. Left out, the disk is made without a boot loader."`
	Steps      []Step     `json:"steps,omitempty" jsonschema_description:"What is done, in this order, as root in a virtual machine, on the disk that was made, before it is written."`
	Output     Output     `json:"output,omitzero" jsonschema_description:"What is written."`
	Tests      []Test     `json:"tests,omitempty" jsonschema_description:"Boot tests, which ingot test runs, and ingot build --test before the image gets its name. They do not change the image."`

	src        *source
	formatLeft bool
	scripts    []*script.Script
}

// FormatLeftOut says whether the format is raw only because nothing was said of it.
func (r *Recipe) FormatLeftOut() bool { return r.formatLeft }

// Reads says whether the file at path is the recipe's own, or one that it names.
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
	Path string `json:"path,omitempty" jsonschema_description:"The store path of a system in NixOS's or Guix's layout, or a link to one such as ./result; the same as giving the path alone."`
	// Kernel is the folder that the kernel of a system made by ingot is taken from.
	Kernel   Path     `json:"kernel,omitempty" jsonschema_description:"A folder with boot/vmlinuz-* and lib/modules: an unpacked kernel package, or 'host' for the running machine's own, or the one that INGOT_KERNEL names."`
	Program  Path     `json:"program,omitempty" jsonschema_description:"The file of an ingot that becomes the system's init, shell and commands: of another architecture than the one that builds. The running one if left out."`
	Modules  []string `json:"modules,omitempty" jsonschema_description:"Kernel modules that the initial RAM disk loads, beyond the ones that find a disk and mount its root."`
	Hostname string   `json:"hostname,omitempty" jsonschema_description:"The machine's name; the recipe's name if left out."`

	Tools         Paths    `json:"tools,omitempty" jsonschema_description:"Programs beside ingot's own, with the libraries that they need: names of Debian packages that are installed on this machine, .deb files, or store paths."`
	OptionalTools Paths    `json:"optional-tools,omitempty" jsonschema_description:"The same, but left out where a package is not installed, or a file is not there."`
	WithoutTools  []string `json:"without-tools,omitempty" jsonschema_description:"Names of programs of these packages that are left out, with what they alone need."`
	Network       string   `json:"network,omitempty" jsonschema_description:"dhcp, INTERFACE:dhcp, ADDRESS/BITS:GATEWAY:NAMESERVER, or else what the kernel's ip= takes; none if left out."`
	SSH           *SSH     `json:"ssh,omitempty" jsonschema_description:"Who may log in over the network. Left out, nobody may."`
	Hooks         Hooks    `json:"hooks,omitzero" jsonschema_description:"Scripts that are run as the system starts."`
}

// Hooks are scripts, for ingot's shell, that a system of ingot's own runs as it starts. One
// that fails is told on the console, and the start goes on.
type Hooks struct {
	PreMount string `json:"pre-mount,omitempty" jsonschema_description:"A script that the initial RAM disk runs with all its modules loaded, before the root is looked for."`
	PostBoot string `json:"post-boot,omitempty" jsonschema_description:"A script that is run at the end of the start, behind /etc/rc and before there is a shell; it becomes /etc/rc.local."`
}

// SSH says who may log in to a system that ingot makes.
type SSH struct {
	Keys []string `json:"keys,omitempty" jsonschema_description:"Public keys, as the lines of authorized_keys. More come from ingot build --ssh-key, ingot run --ssh and, as the system runs, /root/.ssh/authorized_keys; without any, nobody is let in."`
}

// Store says what goes into the store, and how it is registered.
type Store struct {
	Flavour     string     `json:"flavour,omitempty" jsonschema:"enum=nix,enum=guix" jsonschema_description:"Whose store it is: nix (the default) or guix."`
	Closures    []Closure  `json:"closures,omitempty" jsonschema_description:"Store items with all that they refer to."`
	Add         []Addition `json:"add,omitempty" jsonschema_description:"Plain files and folders that join the store under their content address, as nix-store --add does it."`
	Profile     string     `json:"profile,omitempty" jsonschema_description:"The store path that the system profile points to; the recipe's system if left out."`
	Roots       []Root     `json:"roots,omitempty" jsonschema_description:"Further garbage collector roots."`
	Deduplicate bool       `json:"deduplicate,omitempty" jsonschema_description:"Make files of one content hard links of one file, through .links, as nix-store --optimise does."`
	Verify      bool       `json:"verify,omitempty" jsonschema_description:"Hash all items instead of trusting the hashes that a registration gives."`
}

// Closure is one source of store items.
type Closure struct {
	Graph        Paths  `json:"graph,omitempty" jsonschema_description:"Reference graphs as exportReferencesGraph and #:references-graphs write them: one file or a list."`
	Registration Paths  `json:"registration,omitempty" jsonschema_description:"Registration files as nix-store --load-db reads them, with hashes and sizes."`
	PathInfo     Paths  `json:"path-info,omitempty" jsonschema_description:"What nix path-info --json --recursive prints, or the .attrs.json of a build, with hashes and sizes: one file or a list."`
	Path         string `json:"path,omitempty" jsonschema_description:"A store path, or a link to one such as ./result; its closure is read from the database of the store, or from a binary cache."`
	Root         Path   `json:"root,omitempty" jsonschema_description:"With path: the root of the file system whose store is read; / if left out."`
	From         Path   `json:"from,omitempty" jsonschema_description:"The folder where the items lie; the store directory itself if left out."`

	Cache    Paths    `json:"cache,omitempty" jsonschema_description:"With path: the binary caches that have the closure, asked in turn: URLs (https, http, file) or folders, one or a list."`
	Keys     []string `json:"keys,omitempty" jsonschema_description:"With cache: the public keys whose signatures are trusted, NAME:BASE64 or (public-key …) of Guix; those of https://cache.nixos.org or of Guix's own servers if left out."`
	Unsigned bool     `json:"unsigned,omitempty" jsonschema_description:"With cache: take what no trusted key has signed, too."`
}

// Addition is a file or folder that joins the store.
type Addition struct {
	Name   string `json:"name" jsonschema:"required" jsonschema_description:"The name part of the store path."`
	Source Path   `json:"source" jsonschema:"required" jsonschema_description:"The file or folder."`
	Unpack bool   `json:"unpack,omitempty" jsonschema_description:"The source is a tarball (plain or compressed with gzip, xz, zstd, bzip2, lzip, lz4 or lzma) or a Debian package, and the files in it join the store."`
	Strip  int    `json:"strip,omitempty" jsonschema_description:"With unpack: how many leading directories are taken off every name; 1 suits a source tarball."`
}

// Root is a garbage collector root.
type Root struct {
	Name string `json:"name" jsonschema:"required" jsonschema_description:"The name of the link below gcroots."`
	Path string `json:"path" jsonschema:"required" jsonschema_description:"The store path that stays alive, or a link to it."`
}

// Disk is a partition table with its partitions.
type Disk struct {
	Table      string      `json:"table,omitempty" jsonschema:"enum=gpt,enum=mbr,enum=msdos,enum=hybrid" jsonschema_description:"gpt (the default), mbr (or msdos), or hybrid: a GPT whose MBR shows some of its partitions too."`
	Size       Size        `json:"size,omitzero" jsonschema_description:"The size of the whole disk; what the partitions need if left out."`
	GUID       string      `json:"guid,omitempty" jsonschema_description:"The disk GUID of a GPT."`
	Signature  string      `json:"signature,omitempty" jsonschema_description:"The disk signature of an MBR, eight hexadecimal digits."`
	Align      Size        `json:"align,omitzero" jsonschema_description:"What partitions begin at a multiple of; 1MiB if left out."`
	Raw        []Raw       `json:"raw,omitempty" jsonschema_description:"Files whose bytes lie outside of partitions, where the boot ROMs of boards look for them. Partitions keep clear of them; none may overlap the table, a partition that has a start, or GRUB."`
	Partitions []Partition `json:"partitions" jsonschema:"required" jsonschema_description:"The partitions, in the order in which they lie on the disk."`
}

// Raw is a file whose bytes lie outside of partitions.
type Raw struct {
	At     Offset `json:"at" jsonschema:"required" jsonschema_description:"Where its first byte lies, from the start of the disk: 8KiB."`
	Source Source `json:"source" jsonschema:"required" jsonschema_description:"The file."`
}

// Source is a file whose bytes are wanted.
type Source struct {
	From Path   `json:"from" jsonschema:"required" jsonschema_description:"The file itself, which is what this path alone means, too; or what file is in: a folder, a tarball or a Debian package. It may lie in an item of the store."`
	File string `json:"file,omitempty" jsonschema_description:"The path of the file in the folder, the tarball or the package: usr/lib/u-boot/pine64_plus/u-boot-sunxi-with-spl.bin."`
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
	Name       string            `json:"name" jsonschema:"required" jsonschema_description:"The name of the partition, which a GPT records."`
	Type       string            `json:"type,omitempty" jsonschema_description:"linux, esp, bios-boot, boot, swap, home, srv, var, tmp, lvm, raid, luks, data, fat12, fat16, fat32, ntfs or prep; root, root-verity, root-verity-sig, usr, usr-verity or usr-verity-sig, for the recipe's arch, or with another behind it, as in root-arm64: x86, x86-64, alpha, arc, arm, arm64, ia64, loongarch64, mips-le, mips64-le, ppc, ppc64, ppc64-le, riscv32, riscv64, s390, s390x or tilegx; a GUID; or in an mbr table a byte such as 0x83. Where filesystem is left out, esp and fat12 to fat32 bring a FAT, and swap a swap area. Default: swap for filesystem: swap, luks for encrypt: luks, esp for the FAT that EFI starts from (one that is called esp or efi, is mounted at /boot, /efi or /boot/efi, or has files in /EFI, or else the one that GRUB for EFI needs), data for any other, linux for all else."`
	GUID       string            `json:"guid,omitempty" jsonschema_description:"The partition's GUID in a GPT."`
	Flags      []string          `json:"flags,omitempty" jsonschema_description:"Flags of the table's entry: boot and others."`
	MBR        bool              `json:"mbr,omitempty" jsonschema_description:"In a hybrid table: the MBR shows this partition too."`
	Start      Size              `json:"start,omitzero" jsonschema_description:"Where the partition begins; after the one before it if left out."`
	Size       PartSize          `json:"size,omitzero" jsonschema_description:"8GiB: exactly that. fit: what the contents need. fit+512MiB: that, and so much free space. 40%: that part of what the disk, which has to have a size, has left when all else has its place, so that 100% is the rest. Default: fit; for an ESP fit+64MiB, so that a second kernel finds room."`
	Source     *Source           `json:"source,omitempty" jsonschema_description:"A file whose bytes the partition holds: it has no file system then but one that the file brings."`
	Filesystem string            `json:"filesystem,omitempty"`
	Encrypt    string            `json:"encrypt,omitempty" jsonschema:"enum=luks" jsonschema_description:"luks: the file system lies in a LUKS 2 container, which is made in a virtual machine by this machine's cryptsetup. The kernels have to be elsewhere then: on an ext4 with mount: /boot."`
	Passphrase *Secret           `json:"passphrase,omitempty" jsonschema_description:"encrypt: where the passphrase is taken from, without a newline at its end."`
	Mount      string            `json:"mount,omitempty" jsonschema_description:"Where steps find the file system, below /mnt, or below / with in: root; left out, / for the one with the store, and not at all for others. The menu and the kernels are put on the partition with /boot, if there is one."`
	Label      string            `json:"label,omitempty" jsonschema_description:"The file system's label."`
	UUID       string            `json:"uuid,omitempty" jsonschema_description:"The file system's UUID, or a FAT's serial number as ABCD-1234; derived if left out."`
	Options    FileSystemOptions `json:"-"` // keys of one kind of file system each
	Contents   Contents          `json:"contents,omitzero" jsonschema_description:"What the file system holds."`
}

// Contents is what a file system holds.
type Contents struct {
	Store bool `json:"store,omitempty" jsonschema_description:"The store, its database, the garbage collector roots and the profile."`
	From  Path `json:"from,omitempty" jsonschema_description:"A folder whose contents are copied in, with modes; owners become root."`
	// What of the host's files decides the bytes of an image only where it is asked for.
	HardLinks string `json:"hard-links,omitempty" jsonschema:"enum=keep" jsonschema_description:"from: keep has names in it that are one file of the host be one file of the image. Default: each name is a file of its own."`
	Times     string `json:"times,omitempty" jsonschema:"enum=keep" jsonschema_description:"from: keep has files keep their modification times. Default: one second after 1970 began."`
	Xattrs    string `json:"xattrs,omitempty" jsonschema:"enum=keep,enum=drop" jsonschema_description:"from: keep takes all extended attributes over, those of SELinux, IMA and ACLs too; drop none. Default: user.* and security.capability; others are named in a warning."`
	Files     []File `json:"files,omitempty" jsonschema_description:"Single files, directories and links."`
}

// File is one file of a partition's contents.
type File struct {
	Path      string            `json:"path" jsonschema:"required" jsonschema_description:"Where it stands in the file system, absolute."`
	Text      *string           `json:"text,omitempty" jsonschema_description:"What it holds, literally."`
	Source    Path              `json:"source,omitempty" jsonschema_description:"The file or folder of the host that it is."`
	Directory bool              `json:"directory,omitempty" jsonschema_description:"It is a directory."`
	Link      string            `json:"link,omitempty" jsonschema_description:"It is a symlink with this target."`
	Device    string            `json:"device,omitempty" jsonschema_description:"It is a device: 'c 5:1' or 'b 8:0'."`
	Mode      *Mode             `json:"mode,omitempty" jsonschema_description:"Permissions in octal; 0644 for files, 0755 for directories, the source's own where there is one."`
	UID       uint32            `json:"uid,omitempty" jsonschema_description:"The owner's number; 0 if left out."`
	GID       uint32            `json:"gid,omitempty" jsonschema_description:"The group's number; 0 if left out."`
	Xattrs    map[string]string `json:"xattrs,omitempty" jsonschema_description:"Extended attributes by their full names."`
}

// Bootloader says how a disk boots.
type Bootloader struct {
	Loader    Loader   `json:"-"` // which recipes name by a key of its own
	Timeout   *int     `json:"timeout,omitempty" jsonschema_description:"Seconds before the default entry boots; 5 if left out, 0 boots at once, -1 waits for ever."`
	Default   string   `json:"default,omitempty" jsonschema_description:"The title of the entry that boots by itself; the first if left out."`
	Console   []string `json:"console,omitempty" jsonschema_description:"Consoles of the menu and the kernel: tty0, ttyS0 or ttyS0,115200. The last is the one that /dev/console means."`
	Arguments []string `json:"arguments,omitempty" jsonschema_description:"Kernel arguments, added to the system's own."`
	Entries   []Entry  `json:"entries,omitempty" jsonschema_description:"Further entries of the menu."`
	// Generations are what a system profile remembers beside its newest generation.
	Generations []string `json:"generations,omitempty" jsonschema_description:"The store paths of earlier systems, the oldest first. With the recipe's system as the newest they are the generations of the system profile, and the entries of the submenu 'All generations'."`
}

// Entry is one entry of the boot menu.
type Entry struct {
	Title     string   `json:"title" jsonschema:"required" jsonschema_description:"The line that the menu shows."`
	System    string   `json:"system,omitempty" jsonschema_description:"The store path of a system whose kernel, initial RAM disk and arguments are taken."`
	Kernel    string   `json:"kernel,omitempty" jsonschema_description:"The kernel's path in the file system that holds the store."`
	Initrd    []string `json:"initrd,omitempty" jsonschema_description:"Initial RAM disks, likewise."`
	Arguments []string `json:"arguments,omitempty" jsonschema_description:"Kernel arguments of this entry."`
	Submenu   string   `json:"submenu,omitempty" jsonschema_description:"The submenu that the entry stands in, such as 'Older generations'."`
}

// Output says what is written.
type Output struct {
	Format      string `json:"format,omitempty"`
	Volume      string `json:"volume,omitempty" jsonschema_description:"iso: the volume id, up to 32 letters, digits and _.+-; the recipe's name if left out."`
	Publisher   string `json:"publisher,omitempty" jsonschema_description:"iso: who publishes it, up to 128 characters."`
	Application string `json:"application,omitempty" jsonschema_description:"iso: what made it, up to 128 characters."`
	Joliet      bool   `json:"joliet,omitempty" jsonschema_description:"iso: with names for Windows, too."`
	Store       string `json:"store,omitempty" jsonschema:"enum=files,enum=squashfs,enum=erofs" jsonschema_description:"iso, netboot: files (the default of iso); squashfs (that of netboot): the root of a system that ingot made, or the store of a NixOS system, compressed into one file; or erofs: the root of a system that ingot made in one file that is not compressed, and quick to make."`
	Compression string `json:"compression,omitempty" jsonschema_description:"squashfs: zstd (the default), xz, gzip or none. qcow2: zlib, which every QEMU reads, zstd, which is quicker, or none (the default)."`
	Level       int    `json:"level,omitempty" jsonschema_description:"squashfs: the level of zstd, 1 to 22, or of gzip, 1 to 9; 6 if left out. 19 saves a tenth of the space, and takes 25 times as long. qcow2: the level of zlib, 1 to 9, 6 if left out, or of zstd, 1 to 22, 3 if left out."`
	BlockSize   Size   `json:"block-size,omitzero" jsonschema_description:"squashfs: what is compressed together, a power of two from 4KiB to 1MiB; 1MiB if left out."`
	Sign        *Sign  `json:"sign,omitempty" jsonschema_description:"netboot: sign each file for iPXE's imgverify. The script then compares the digest of each file, too, which takes an iPXE of 2.0 or later with DIGEST_CMD."`
	Password    string `json:"password,omitempty" jsonschema_description:"netboot: what iPXE asks for before it gives a shell. It stands in the script for all to read; a signed script has no shell without it."`
}

// Sign says by whom the files of a netboot folder are signed.
type Sign struct {
	Key            Path `json:"key" jsonschema:"required" jsonschema_description:"The private key, in PEM: RSA, which every iPXE can check, or ECDSA over P-256 or P-384, which takes an iPXE of 2.0 or later."`
	Certificate    Path `json:"certificate" jsonschema:"required" jsonschema_description:"The key's certificate, in PEM, which must have the key usage digitalSignature and the extended key usage codeSigning."`
	Chain          Path `json:"chain,omitzero" jsonschema_description:"Certificates that lead from that one to the one which is trusted, and this one, too, in PEM; they are put into each signature."`
	OnlySignatures bool `json:"only-signatures,omitempty" jsonschema_description:"The script compares no digests, for an iPXE before 2.0, or one without DIGEST_CMD: a file that was signed then passes under any name."`
}

// Step is something that is done in a virtual machine on the disk that was made.
type Step struct {
	Name     string            `json:"name" jsonschema:"required" jsonschema_description:"What errors and the manifest call it."`
	Script   string            `json:"script,omitempty" jsonschema_description:"A script for /bin/sh, which ends where a command fails."`
	File     Path              `json:"file,omitzero" jsonschema_description:"The file that has the script, instead."`
	Run      Words             `json:"run,omitempty" jsonschema_description:"A command with its arguments, instead: of the closure, with in: root."`
	In       string            `json:"in,omitempty" jsonschema:"enum=helper,enum=root" jsonschema_description:"helper (the default): ingot's own commands, with the image's root at /mnt, and the disk as /dev/vda. root: in the image's own root, by its own programs."`
	Programs []string          `json:"programs,omitempty" jsonschema_description:"in: helper: programs of this machine that are at hand, with their libraries, such as sgdisk."`
	Env      map[string]string `json:"environment,omitempty" jsonschema_description:"Variables."`
	Secrets  map[string]Secret `json:"secrets,omitempty" jsonschema_description:"Variables whose values are no part of the recipe, and are kept out of what is shown."`
}

// Secret says where a secret is taken from. One newline at its end is no part of it.
type Secret struct {
	File        Path   `json:"file,omitzero" jsonschema_description:"The file that holds it, and nothing else."`
	Environment string `json:"environment,omitempty" jsonschema_description:"The variable of ingot's environment that holds it."`
}

// A Test is a boot test that a recipe carries. It has no influence on the image.
type Test struct {
	Name   string `json:"name" jsonschema:"required" jsonschema_description:"What the test is called."`
	Script Script `json:"script" jsonschema:"required" jsonschema_description:"What is done with the machine and expected of it, a step a line; see ingot test --list-commands."`
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

// Path is a path of the host. One that is not absolute is relative to the recipe's
// file; Text is how the recipe has it.
type Path struct {
	Text string
	Host string
}

// Paths is one path or a list of them.
type Paths []Path

// Mode is the permissions of a file, written in octal.
type Mode uint32

// IsZero says whether the key was left out.
func (s Size) IsZero() bool { return s.Text == "" }

// IsZero says whether the key was left out.
func (s PartSize) IsZero() bool { return s.Text == "" }

// IsZero says whether the key was left out.
func (p Path) IsZero() bool { return p.Text == "" }

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
