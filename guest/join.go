package guest

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/bootloader/initramfs"
	"ingot/guest/mounts"
	"ingot/guest/network"
)

// These files keep a machine's place in a network beyond the initramfs.
const (
	placeFile = "/run/ingot/network"
	hostsFile = "/run/ingot/hosts"
)

// keepPlace copies the machine's place in a network from the initramfs. A host that starts
// several machines together appends the file to the initial RAM disk of each.
func (s *system) keepPlace() {
	text, err := os.ReadFile(initramfs.NetworkFile)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(placeFile), 0o755)
	}
	if err == nil {
		err = os.WriteFile(placeFile, text, 0o644)
	}
	if err != nil {
		s.say("place in the network: %v", err)
	}
}

// place returns the place, if there is one.
func (s *system) place() (p network.Place, ok bool) {
	text, err := os.ReadFile(placeFile)
	if errors.Is(err, fs.ErrNotExist) {
		return p, false
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		s.say("place in the network: %v", err)
		return p, false
	}
	return p, true
}

// join takes the machine's place in a network, and says whether it has one.
func (s *system) join() bool {
	p, ok := s.place()
	if !ok {
		return false
	}
	if err := unix.Sethostname([]byte(p.Hostname)); err != nil && p.Hostname != "" {
		s.say("host name %s: %v", p.Hostname, err)
	}
	if err := nameIn(p, "/"); err != nil {
		s.say("names of the network: %v", err)
	}
	go s.takePlace(p)
	return true
}

// takePlace gives the cards their addresses.
func (s *system) takePlace(p network.Place) {
	ctx, cancel := context.WithTimeout(context.Background(), netPatience)
	defer cancel()
	dhcp, err := p.Apply(ctx, network.Options{Bound: func(b network.Binding) { s.say("%s", b) }})
	if err != nil {
		s.say("no network: %v", err)
	}
	for _, name := range dhcp {
		s.service([]string{"dhcp", "-f", name})
	}
}

// joinFor takes the place for a system on another root, before its init starts: the kernel
// keeps the addresses, and a mount the names. Cards without a driver yet, and those with DHCP,
// are left to that system.
func (s *system) joinFor(root string) {
	p, ok := s.place()
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // do not wait
	_, _ = p.Apply(ctx, network.Options{})
	if _, err := os.Lstat(filepath.Join(root, "etc/NIXOS")); err == nil {
		return // NixOS makes all of /etc anew, and fails at a file that is a mount
	}
	if err := nameIn(p, root); err != nil {
		s.say("names of the network: %v", err)
	}
}

// nameIn adds the names of all machines to /etc/hosts on a root, by a mount, which leaves the
// file itself unchanged.
func nameIn(p network.Place, root string) error {
	target := filepath.Join(root, "etc/hosts")
	if isSame(hostsFile, target) {
		return nil // done in the initramfs
	}
	old, err := hostsOf(target)
	if err != nil {
		return err
	}
	if err := os.WriteFile(hostsFile, []byte(old+p.Hosts), 0o644); err != nil {
		return err
	}
	return mounts.Mount(hostsFile, target, "", unix.MS_BIND, "")
}

// isSame reports whether two paths lead to one file.
func isSame(a, b string) bool {
	first, err := os.Stat(a)
	second, other := os.Stat(b)
	return err == nil && other == nil && os.SameFile(first, second)
}

// hostsOf returns the text of an /etc/hosts, and creates the file if it is missing.
func hostsOf(path string) (string, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return "", err
		}
		return "127.0.0.1 localhost\n::1 localhost\n", f.Close()
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New(path + " is no file of its own")
	}
	text, err := os.ReadFile(path)
	old := string(text)
	if old != "" && !strings.HasSuffix(old, "\n") {
		old += "\n"
	}
	if !strings.Contains(old, "127.0.0.1") {
		old = "127.0.0.1 localhost\n" + old
	}
	return old, err
}
