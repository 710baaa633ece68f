package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"ingot/bootloader"
	"ingot/image"
	"ingot/internal/accounts"
	"ingot/internal/printable"
	"ingot/recipes"
	"ingot/storedb"
)

// Files that the recipe gives to a user by name get their owners when all trees are complete:
// the image's own /etc/passwd may be another file of the recipe, or come from the store.

// owned are files that belong to a user and a group by their names; "" is not said.
type owned struct {
	nodes       []*image.Node
	user, group string
	key         string // of the recipe that has user and group
	partition   int
}

// madeDir is a directory that ingot has made, since a file below it has to be somewhere.
type madeDir struct {
	node      *image.Node
	path      string // in the image
	partition int
}

// own remembers who owns a file and all that is below it.
func (p *planner) own(i int, n *image.Node, user, group, key string) {
	if user == "" && group == "" {
		return
	}
	o := owned{user: user, group: group, key: key, partition: i}
	_ = (&image.Tree{Root: n}).Walk(func(_ string, n *image.Node) error { // it fails nowhere
		o.nodes = append(o.nodes, n)
		return nil
	})
	p.owned = append(p.owned, o)
}

// groupOf returns the group of a file by its name or number, "" if the recipe says none.
func groupOf(f *recipes.File) string {
	if f.Group == "" && f.GID != 0 {
		return strconv.FormatUint(uint64(f.GID), 10) // rather than the user's primary one
	}
	return f.Group
}

// root returns the partition with the root file system of the image, or -1. If none is mounted
// at /, that is the one which the boot loader's kernels get as their root.
func (p *planner) root() int {
	if m, ok := p.Holder("/"); ok {
		return m.Partition
	}
	if p.Bootloader.Loader.IsZero() {
		return -1
	}
	at, err := p.bootPartition()
	if err != nil || p.Disk.Partitions[p.rootPartition(at)].Mount != "" {
		return -1
	}
	return p.rootPartition(at)
}

// mountOf returns where the contents of a partition are mounted, "" if that is not known.
func (p *planner) mountOf(i int) string {
	if mount := p.Disk.Partitions[i].Mount; mount != "" && p.Base(i) == mount {
		return mount
	}
	if p.root() == i {
		return "/"
	}
	return p.Disk.Partitions[i].Mount
}

// accountsOf are the users and groups that the files of a partition can belong to.
type accountsOf struct {
	users  map[string]accounts.User
	groups map[string]uint32
	homes  map[string]accounts.User // by their paths; nil until they are asked for
	// in names the files that these come from, or why there are none.
	passwd, group string
}

// accounts reads the accounts of the root file system; of a partition that belongs to no root,
// they are its own.
func (p *planner) accounts(i int) (*accountsOf, error) {
	in := p.root()
	if in < 0 || p.trees[in] == nil {
		in = i
	}
	if a := p.known[in]; a != nil {
		return a, nil
	}
	look := bootloader.Lookup(func(name string) *image.Node { return p.lookup(in, name) })
	a := &accountsOf{}
	passwd, at, err := p.accountFile(look, in, "/etc/passwd")
	if err != nil {
		return nil, err
	}
	a.users, a.passwd = accounts.Users(passwd), at
	group, at, err := p.accountFile(look, in, "/etc/group")
	if err != nil {
		return nil, err
	}
	a.groups, a.group = accounts.Groups(group), at
	if p.known == nil {
		p.known = map[int]*accountsOf{}
	}
	p.known[in] = a
	return a, nil
}

// mostAccounts is how much ingot reads of a file of accounts.
const mostAccounts = 16 << 20

// accountFile returns the text of /etc/passwd or /etc/group, and which file it is, for messages.
// A system of NixOS may have it in its own etc only, since its activation makes /etc.
func (p *planner) accountFile(look bootloader.Lookup, in int, name string) (text, at string, err error) {
	names := []string{name}
	if p.store.system != "" {
		names = append(names, p.store.system+name)
	}
	for _, name := range names {
		n, err := look.File(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		at = name + " of partition " + p.Disk.Partitions[in].Name
		switch {
		case err != nil:
			return "", "", fmt.Errorf("%s: %w", at, err)
		case n.Size() > mostAccounts:
			return "", "", fmt.Errorf("%s: has %d bytes, and ingot reads at most %d of such a file", at, n.Size(), mostAccounts)
		case n.Data == nil:
			return "", at, nil
		}
		b, err := image.ReadAll(n.Data)
		return string(b), at, err
	}
	return "", "", nil
}

// lookup finds a file by its path in the image whose root is partition in, following no symlink.
func (p *planner) lookup(in int, name string) *image.Node {
	if m, ok := p.Holder(name); ok && p.trees[m.Partition] != nil { // subvolumes are made later
		return p.trees[m.Partition].Lookup(below(name, p.Base(m.Partition)))
	}
	return p.trees[in].Lookup(name)
}

// settleOwners gives files the owners that the recipe names.
func (p *planner) settleOwners() error {
	for _, o := range p.owned {
		uid, gid, err := p.ownerOf(o)
		if err != nil {
			return err
		}
		for _, n := range o.nodes {
			if uid >= 0 {
				n.UID = uint32(uid)
			}
			if gid >= 0 {
				n.GID = uint32(gid)
			}
		}
	}
	return p.settleHomes()
}

// ownerOf returns the numbers of an owner and a group, -1 for those that stay.
func (p *planner) ownerOf(o owned) (uid, gid int64, err error) {
	uid, gid = -1, -1
	if id, ok := accounts.Number(o.user); ok {
		uid = int64(id)
	} else if o.user != "" {
		a, err := p.accounts(o.partition)
		if err != nil {
			return 0, 0, p.At(o.key+".user", err)
		}
		u, ok := a.users[o.user]
		if !ok {
			return 0, 0, p.At(o.key+".user", p.unknownName("user", o.user, "/etc/passwd", a.passwd, accounts.Some(a.users)))
		}
		uid, gid = int64(u.UID), int64(u.GID)
	}
	if id, ok := accounts.Number(o.group); ok {
		gid = int64(id)
	} else if o.group != "" {
		a, err := p.accounts(o.partition)
		if err != nil {
			return 0, 0, p.At(o.key+".group", err)
		}
		id, ok := a.groups[o.group]
		if !ok {
			return 0, 0, p.At(o.key+".group", p.unknownName("group", o.group, "/etc/group", a.group, accounts.Some(a.groups)))
		}
		gid = int64(id)
	}
	return uid, gid, nil
}

// unknownName is the error of a name that no file has; file is where it was looked for, and at
// where that was found, "" if it is nowhere.
func (p *planner) unknownName(what, name, file, at, known string) error {
	if at != "" {
		return fmt.Errorf("there is no %s %s in %s, which has %s; write a number, or add the %[1]s there", what, printable.Quote(name), at, known)
	}
	why := "the image has no " + file + " that could say which number that is"
	if p.store.system != "" && p.store.made == nil {
		system := map[storedb.Flavour]string{storedb.Nix: "NixOS", storedb.Guix: "Guix System"}[p.store.flavour]
		why += ", since " + system + " makes it when it first starts"
	}
	return fmt.Errorf("%s %s: %s; write a number, or add the file to the recipe", what, printable.Quote(name), why)
}

// settleHomes gives users the homes, and what is below them, that ingot has made for the sake
// of a file there. A home is its user's alone, as useradd(8) makes it.
func (p *planner) settleHomes() error {
	for _, d := range p.madeDirs {
		if !strings.HasPrefix(d.path, homes) {
			continue
		}
		a, err := p.accounts(d.partition)
		if err != nil {
			return nil // nobody asked for it
		}
		home, user := a.homeOf(d.path)
		if home == "" {
			continue
		}
		d.node.UID, d.node.GID = user.UID, user.GID
		if d.path == home || d.path == home+"/.ssh" {
			d.node.Mode = fs.ModeDir | 0o700
		}
	}
	return nil
}

// homes is the directory of people's homes. Homes of services, such as / and /var/empty, belong
// to many.
const homes = "/home/"

// homeOf returns the innermost home that a path is in, and whose it is; "" if it is in none.
func (a *accountsOf) homeOf(name string) (home string, user accounts.User) {
	if a.homes == nil {
		a.homes = map[string]accounts.User{}
		for _, of := range slices.Backward(slices.Sorted(maps.Keys(a.users))) { // of two, the first has it
			if u := a.users[of]; u.UID != 0 {
				a.homes[path.Clean(u.Home)] = u
			}
		}
	}
	for at := name; strings.HasPrefix(at, homes); at = path.Dir(at) {
		if u, ok := a.homes[at]; ok {
			return at, u
		}
	}
	return "", accounts.User{}
}
