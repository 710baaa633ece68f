package derive

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"ingot/bootloader/system"
	"ingot/image"
	"ingot/recipes"
)

// FuzzSystem derives recipes of systems with any fstab, host's name and kernel arguments: the text
// is YAML with the keys that ingot wrote and no others, the same each time, and what is wrong in it
// is the value of a key.
func FuzzSystem(f *testing.F) {
	f.Add("LABEL=nixos / ext4\nLABEL=ESP /boot vfat\nLABEL=swap none swap", "web", "console=ttyS0,115200 quiet", "")
	f.Add("PARTUUID=1234abcd-02 / ext4 x-systemd.growfs\nPARTUUID=1234abcd-01 /boot vfat", "a b", "", "qcow2")
	f.Add("LABEL=p / btrfs subvol=@,x\nLABEL=p /nix btrfs subvol=@nix\n/dev/sda3 /home xfs\n/dev/sda9 /x ext4", "-", "root=LABEL=x", "iso")
	f.Add("LABEL=v /iso iso9660\n/iso/nix-store.squashfs /nix/.ro-store squashfs loop", "", "root=LABEL=v", "")
	f.Add("LABEL=#x:\\040{y / ext4\n/dev/mapper/z /z ext4\nt/z / zfs", "x: y", "", "netboot")
	f.Fuzz(func(t *testing.T, fstab, hostname, words, format string) {
		if len(fstab)+len(hostname)+len(words) > 2048 || strings.ContainsRune(fstab+words, 0) || !slices.Contains([]string{"", "raw", "qcow2", "iso", "netboot"}, format) {
			return
		}
		tree := image.NewTree()
		for name, text := range map[string]string{"kernel": "k", "init": "#!", "kernel-params": words, "system": "x86_64-linux", "etc/fstab": fstab, "etc/hostname": hostname} {
			if err := tree.Put(toplevel+"/"+name, image.NewFile(0o644, image.Bytes(text))); err != nil {
				t.Fatal(err)
			}
		}
		s, err := system.Read(tree.Lookup, toplevel)
		if err != nil {
			return
		}
		want, err := s.Expects(tree.Lookup)
		if err != nil {
			return
		}
		w := Wishes{Name: Hostname(tree.Lookup, toplevel), Format: format, Closures: []recipes.Closure{{Path: toplevel}}}
		made, err := System(s, want, w)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := System(s, want, w); err != nil || string(again.Text) != string(made.Text) {
			t.Errorf("a second time, it is another (%v):\n%s\n%s", err, made.Text, again.Text)
		}
		if err := made.Err(); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("the refusal has several lines: %q", err)
		}
		if _, err = recipes.Parse("derived", "/", made.Text, nil); err == nil {
			return
		}
		list := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			list = joined.Unwrap()
		}
		for _, err := range list {
			var at *recipes.Error
			if !errors.As(err, &at) || at.Key == "" || strings.Contains(at.What, "unknown key") {
				t.Errorf("Parse: %v\n%s", err, made.Text)
			}
		}
	})
}
