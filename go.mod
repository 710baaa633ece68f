module ingot

go 1.26.8

require (
	filippo.io/edwards25519 v1.2.0 // the curve of Guix signatures, which are not EdDSA
	github.com/andybalholm/brotli v1.3.0 // brotli, for caches; a port of the original to Go, used by many
	github.com/creack/pty v1.1.24 // terminals for ssh logins
	github.com/diskfs/go-diskfs v1.9.4 // partition: writes GUID partition tables
	github.com/dustin/go-humanize v1.1.0 // sizes and counts in messages
	github.com/google/uuid v1.6.0 // derived identifiers, which are UUIDs of version 5
	github.com/insomniacslk/dhcp v0.0.0-20260901064844-234b97448fae // the guest's DHCP client
	github.com/invopop/jsonschema v0.14.0 // the recipe language's schema, from its Go types
	github.com/kdomanski/iso9660 v0.4.0 // tests: another reader of plain ISO 9660
	github.com/klauspost/compress v1.20.4 // zstd and deflate, for initramfs, modules, qcow2 and caches
	github.com/mattn/go-sqlite3 v1.14.53 // the store's database; twice as fast as its translation to Go
	github.com/mdlayher/genetlink v1.4.0 // the guest: events of the power button
	github.com/mdlayher/netlink v1.9.0 // the guest: attributes of these events
	github.com/mikelolasagasti/xz v1.0.1 // xz, for modules, caches and packages: XZ Embedded in Go, in bounded memory
	github.com/nix-community/go-nix v0.0.0-20250101154619-4bdde671e0a1 // Nix's base 32
	github.com/pierrec/lz4/v4 v4.1.33 // lz4, for caches and archives
	github.com/pkg/sftp v1.13.12 // files over ssh, for scp
	github.com/rogpeppe/go-internal v1.16.0 // tests: command-line sessions as scripts
	github.com/schollz/progressbar/v3 v3.19.1 // progress on a terminal
	github.com/spf13/cobra v1.10.2 // the command line and its help
	github.com/spf13/pflag v1.1.0 // the flags of cobra, and of the guest's commands
	github.com/u-root/u-root v0.16.0 // cpio archives
	github.com/ulikunitz/xz v0.5.17 // the LZMA in lzip and .lzma; tests: another reader of xz
	go.yaml.in/yaml/v3 v3.0.6 // recipes: its nodes know line and column
	golang.org/x/crypto v0.59.0 // the guest's ssh server
	golang.org/x/net v0.62.0 // DNS messages, for networks of machines; a limit of connections; ICMP
	golang.org/x/sync v0.25.0 // errgroup
	golang.org/x/sys v0.50.0 // cloning, copy_file_range, mounts and modules
	golang.org/x/term v0.48.0 // whether there is a terminal, and line editing in the guest
	golang.org/x/text v0.44.0 // FAT: the code page of short names
	mvdan.cc/sh/v3 v3.14.1 // the guest's shell
	pgregory.net/rapid v1.3.0 // tests: properties over random trees, tables and sizes
)

require (
	github.com/bahlo/generic-list-go v0.2.0 // indirect
	github.com/buger/jsonparser v1.6.1 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/kr/fs v0.1.0 // indirect
	github.com/mdlayher/packet v1.2.0 // indirect
	github.com/mdlayher/socket v0.8.0 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/pb33f/go-yaml v0.1.0 // indirect
	github.com/pb33f/ordered-map/v2 v2.3.2 // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/u-root/uio v0.0.0-20240224005618-d2acac8f3701 // indirect
	golang.org/x/tools v0.52.0 // indirect
)
