package guest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"ingot/guest/applet"
	"ingot/guest/wire"
	"ingot/internal/grammar"
	"ingot/internal/lazy"
	"ingot/storedb"
)

// initPath returns the init that the command line names, or "": init= itself, or that
// of systemConfig=, the word of NixOS's menus for the system to boot.
func (s *system) initPath() string {
	if path := s.cmdline.value(wire.InitWord); path != "" {
		return path
	}
	if system := s.cmdline.value(wire.SystemWord); system != "" {
		return filepath.Join(system, "init")
	}
	return ""
}

// flavours are those of the stores that storeIn looks for.
var flavours = []storedb.Flavour{storedb.Nix, storedb.Guix}

// foundStore is a store in a mounted file system.
type foundStore struct {
	dir     string // where its items lie
	flavour storedb.Flavour
}

// storeIn looks for the store in a mounted file system. root is the same folder if that is a
// whole root, and empty if it holds only store items, as NixOS's and not-os's squashfs does.
func storeIn(lower, init string) (store foundStore, root string) {
	for _, f := range flavours {
		dir := lower + f.StoreDir()
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			return foundStore{dir, f}, lower
		}
	}
	if holdsItems(lower) {
		return foundStore{lower, storedb.FlavourOf(init)}, ""
	}
	return foundStore{lower + storedb.Nix.StoreDir(), storedb.Nix}, lower // a root without a store is one, too
}

// item matches the name of a store item: a hash in Nix's own base 32, and a name.
var item = lazy.Regexp(`^[0-9a-df-np-sv-z]{32}-.`)

// holdsItems reports whether a folder directly holds store items.
func holdsItems(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return item().MatchString(e.Name()) })
}

// layOver mounts the read-only system as a writable root, whose changes stay in memory.
func layOver(lower string) error {
	upper, work := liveMemory+"/upper", liveMemory+"/work"
	if err := memory(liveMemory); err != nil {
		return err
	}
	return overlay(lower, upper, work, sysroot)
}

// memory mounts a file system in memory.
func memory(dir string) error { return mountAt("tmpfs", dir, "tmpfs", 0, "mode=755") }

// overlay mounts the folder lower with the folder upper over it, which gets the changes.
func overlay(lower, upper, work, dir string) error {
	for _, d := range []string{upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	return mountAt("overlay", dir, "overlay", 0, "lowerdir="+lower+",upperdir="+upper+",workdir="+work)
}

// layStore mounts the root of realroot= and puts the store into it: the read-only one below,
// and over it a layer in the root itself, which keeps new store items.
func (s *system) layStore(l live, store foundStore) error {
	if err := s.mountRealRoot(l.realroot); err != nil {
		return err
	}
	at := sysroot + store.flavour.StoreDir()
	above := filepath.Dir(at)
	below := above + "/.ro-store"
	if err := mountAt(store.dir, below, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return overlay(below, above+"/.overlay-store/rw", above+"/.overlay-store/work", at)
}

func (s *system) mountRealRoot(realroot string) error {
	if realroot == "" || realroot == "tmpfs" {
		return memory(sysroot)
	}
	device, err := s.waitFor(wire.RealRootWord, realroot)
	if err != nil {
		return err
	}
	fstype, err := fileSystem(device)
	if err != nil {
		return fmt.Errorf("realroot=%s: %w; mkfs.ext4, for example, makes one", realroot, err)
	}
	return mountAt(device, sysroot, fstype, 0, "")
}

// registration is the name of a store's registration in NixOS's images.
const registration = "nix-path-registration"

// bringDatabase gives the store its database, if the root has none: the one that came with it,
// or one made of its registration. After a failure it prints a message and the system boots: a
// store without a database works, though nothing can be built or deleted in it.
func (s *system) bringDatabase(root string, store foundStore) error {
	f := store.flavour
	database := sysroot + f.DatabasePath()
	if _, err := os.Stat(database); err == nil {
		return nil
	}
	if root != "" {
		if _, err := os.Stat(root + f.DatabasePath()); err == nil {
			return copyState(root+f.StateDir(), sysroot+f.StateDir())
		}
	}
	for _, dir := range []string{store.dir, root, liveMedium} {
		file := dir + "/" + registration
		if dir == "" {
			continue
		}
		r, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			var count int
			if count, err = register(f, sysroot, r); err == nil {
				s.say("registered %s", grammar.Count(count, "store path"))
			}
			r.Close()
		}
		if err != nil {
			s.say("the store stays without a database: %s: %v", file, err)
		}
		return nil
	}
	return nil
}

// register adds what a registration lists to the database of the store below root, as
// nix-store --load-db does, and returns how many paths it added.
func register(f storedb.Flavour, root string, registration *os.File) (paths int, err error) {
	items, err := f.ReadRegistration(registration.Name(), registration)
	if err != nil {
		return 0, err
	}
	closure, err := storedb.NewClosure(f, storedb.From(root+f.StoreDir(), items))
	if err != nil {
		return 0, err
	}
	did, err := storedb.Register(context.Background(), cmp.Or(root, "/"), closure, storedb.RegisterOptions{NoDeduplicate: true, KeepTimes: true, NoSync: true})
	return did.Paths, err
}

// copyState copies the folder with the database, the roots of the garbage collector and
// the profiles.
func copyState(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	cp, _ := applet.Find("cp")
	if status := cp.Main([]string{"-a", from, to}); status != 0 {
		return fmt.Errorf("copy %s to the root: %w", from, applet.Status(status))
	}
	return nil
}
