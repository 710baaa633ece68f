package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/guest/mounts"
	"ingot/guest/wire"
	"ingot/storedb"
)

// A storeSource is where a store, or a database, comes from: the value of ingot.store= or
// ingot.store.db=.
type storeSource struct {
	fstype string // virtiofs, 9p, or empty for a block device
	name   string // the tag of the share, or what names the device, as root= does
}

// parseSource reads VIRTIOFS:TAG, 9p:TAG or the name of a device.
func parseSource(word string) storeSource {
	for _, fstype := range []string{"virtiofs", "9p"} {
		if tag, ok := strings.CutPrefix(word, fstype+":"); ok {
			return storeSource{fstype, tag}
		}
	}
	return storeSource{name: word}
}

// A store is one that the kernel's command line describes.
type store struct {
	source   storeSource
	database storeSource // of the database's folder, where it does not lie beside the store
	flavour  storedb.Flavour
	writable bool
}

// store returns the store that the words describe, or nil.
func (c cmdline) store() (*store, error) {
	source := c.value(wire.StoreWord)
	for i, model := range wire.Models {
		for _, task := range wire.StoreTasks {
			if source == "" && c.has(task.Spellings()[1+i]) {
				source = wire.Shared("virtiofs", model)
			}
		}
	}
	if source == "" {
		return nil, nil
	}
	s := &store{source: parseSource(source), database: parseSource(c.value(wire.DatabaseWord))}
	s.writable = c.has(wire.StoreLayerWord)
	var err error
	if s.flavour, err = storedb.ParseFlavour(c.value(wire.FlavourWord)); err != nil {
		return nil, fmt.Errorf("%s=: %w", wire.FlavourWord, err)
	}
	return s, nil
}

// Where the parts of a store lie before they are put together.
const (
	storeMedium   = "/run/ingot/store"
	storeDatabase = "/run/ingot/db"
	storeLayers   = "/run/ingot/layers"
)

// mountStore mounts the store, and its database, below root. "" is the present root.
func (s *system) mountStore(st *store, root string) error {
	below, err := s.mountSource(wire.StoreWord, st.source, storeMedium)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	lower := storeMedium
	if below { // the disk has all in its place; a share is the store's folder
		lower += st.flavour.StoreDir()
	}
	mount := bind
	if st.writable {
		mount = writable
	}
	if err := mount(lower, root+st.flavour.StoreDir()); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := s.mountState(st, root); err != nil {
		return fmt.Errorf("store's database: %w", err)
	}
	if file := s.cmdline.value(wire.RegistrationWord); file != "" {
		if err := loadRegistration(st.flavour, root, file); err != nil {
			return fmt.Errorf("%s: %w", wire.RegistrationWord.With(file), err)
		}
	}
	return nil
}

// mountSource mounts a word's source read-only. disk reports whether it is a block device.
func (s *system) mountSource(word wire.Word, from storeSource, dir string) (disk bool, err error) {
	if mounts.IsMounted(dir) {
		return from.fstype == "", nil
	}
	switch from.fstype {
	case "virtiofs":
		return false, mountAt(from.name, dir, from.fstype, unix.MS_RDONLY, "")
	case "9p":
		return false, mountAt(from.name, dir, from.fstype, unix.MS_RDONLY, wire.NinePOptions+",cache=loose")
	}
	device, err := s.waitFor(word, from.name)
	if err != nil {
		return true, err
	}
	fstype, err := fileSystem(device)
	if err != nil {
		return true, err
	}
	readAhead(device)
	return true, mountAt(device, dir, fstype, unix.MS_RDONLY, "")
}

// readAhead makes the kernel read more at once than its usual 128 KiB: each request goes all
// the way to the host's files.
func readAhead(device string) {
	file := filepath.Join("/sys/class/block", filepath.Base(device), "queue/read_ahead_kb")
	_ = os.WriteFile(file, []byte("4096"), 0) // a partition has no queue of its own, and is read all the same
}

// bind mounts a folder at another place, read-only.
func bind(lower, dir string) error {
	if mounts.IsMounted(dir) {
		return nil
	}
	if err := mountAt(lower, dir, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return mounts.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// writable lays a folder in memory over a store, with its parts where NixOS has them in
// its virtual machines.
func writable(lower, dir string) error {
	if mounts.IsMounted(dir) {
		return nil
	}
	below, layer := filepath.Dir(dir)+"/.ro-store", filepath.Dir(dir)+"/.rw-store"
	if err := bind(lower, below); err != nil {
		return err
	}
	if err := memory(layer); err != nil {
		return err
	}
	if err := overlay(below, layer+"/upper", layer+"/work", dir); err != nil {
		return err
	}
	// The upper folder gives the store that is seen its owner and its mode.
	return errors.Join(os.Chown(layer+"/upper", 0, storedb.BuildGroup), os.Chmod(layer+"/upper", os.ModeSticky|0o775))
}

// mountState mounts the database, GC roots and profiles, writable: changes stay in memory and
// never reach the host.
func (s *system) mountState(st *store, root string) error {
	dir := root + st.flavour.StateDir()
	if info, err := os.Stat(storeMedium + st.flavour.StateDir()); st.source.fstype == "" && err == nil && info.IsDir() && !mounts.IsMounted(dir) {
		if err := overlay(storeMedium+st.flavour.StateDir(), storeLayers+"/state/upper", storeLayers+"/state/work", dir); err != nil {
			return err
		}
	}
	if st.database.name == "" || mounts.IsMounted(dir+"/db") {
		return nil
	}
	disk, err := s.mountSource(wire.DatabaseWord, st.database, storeDatabase)
	if err != nil {
		return err
	}
	lower := storeDatabase
	if disk {
		lower += st.flavour.StateDir() + "/db"
	}
	return overlay(lower, storeLayers+"/db/upper", storeLayers+"/db/work", dir+"/db")
}

// loadRegistration registers what a file below root lists.
func loadRegistration(f storedb.Flavour, root, file string) error {
	r, err := os.Open(root + file)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = register(f, root, r)
	return err
}
