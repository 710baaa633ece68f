package plan

import (
	"cmp"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/system"
	"ingot/image"
	"ingot/image/iso9660"
	"ingot/partition/foreign"
	"ingot/recipes"
)

// planner makes a Plan.
type planner struct {
	*recipes.Recipe
	out       *Plan
	store     *store
	seed      image.Seed
	trees     []*image.Tree             // one for each partition; nil for raw ones
	systems   map[string]*system.System // those that were read, by their store paths
	wants     map[*system.System]expectations
	initrds   system.Initrds
	ids       map[string]bool       // of entries of specialisations
	entryKeys []string              // of each entry of the menu, the key of the recipe that it comes from
	secrets   map[string]image.Blob // of the initial RAM disk, by their paths there
	used      map[string]bool       // those of them that a system wants
	lacking   map[string][]string   // by the secrets that the recipe lacks, the systems that want them

	packed    string     // the path of the compressed root or store on a live medium
	noFile    bool       // the system does not find its ISO where that is a file on another medium
	volumeMap *image.Map // of an output without a table, if another program makes it

	owned    []owned             // files whose owners the recipe names
	madeDirs []madeDir           // directories on the way to files of the recipe
	known    map[int]*accountsOf // of the roots
}

// volume describes the file system that a partition is to have.
func (p *planner) volume(i int) image.Volume {
	part := &p.Disk.Partitions[i]
	return image.Volume{Size: part.Size.Size, Label: part.Label, UUID: part.UUID, Seed: p.seed.Sub("partition " + part.Name)}
}

// uuid returns the identifier that the file system of a partition will have.
func (p *planner) uuid(i int) string {
	if p.IsISO() {
		return p.isoOptions().VolumeUUID()
	}
	return p.Disk.Partitions[i].FileSystem().UUID(p.volume(i))
}

// boot is the boot loader of an image, as it was installed, and its menu.
type boot struct {
	bootloader.Installed
	esp   *image.Tree // of an ISO, whose recipe has no partition for it
	names []string    // of the platforms
	menu  bootloader.Menu
}

// bootPartition returns the partition that the boot loader finds the kernels in: the
// one for /boot, or the one with the store, or where there is neither the first whose
// file system GRUB reads.
func (p *planner) bootPartition() (int, error) {
	if i, _ := p.BootFolder(); i >= 0 {
		return i, nil
	}
	i := slices.IndexFunc(p.Disk.Partitions, func(part recipes.Partition) bool { return part.HoldsFiles() && !part.Kind().NoGRUB })
	if i < 0 {
		return 0, p.Errorf("bootloader", "no partition has a file system that the menu could be in")
	}
	for j, part := range p.Disk.Partitions {
		if k := part.Kind(); k != nil && k.HoldsStore() && !k.NoGRUB && k.GRUBModule == "" {
			return j, nil
		}
	}
	return i, nil
}

// bootFolder returns the folder of that partition which is the system's /boot.
func (p *planner) bootFolder(at int) string {
	if i, folder := p.BootFolder(); i == at {
		return folder
	}
	return "/boot"
}

// rootPartition returns the partition that a system boots into: the one that is mounted at /,
// -1 if its root is in memory; or the one with the store, or that of the menu.
func (p *planner) rootPartition(at int) int {
	if p.Spreads() {
		return p.PartitionAt("/")
	}
	if i := p.StorePartition(); i >= 0 {
		return i
	}
	return at
}

// isoOptions are those of the volume. The identifier is the one that menus name.
func (p *planner) isoOptions() iso9660.Options {
	return iso9660.Options{
		VolumeID: cmp.Or(p.Output.Volume, p.Name), UUID: p.Output.UUID, Publisher: p.Output.Publisher, Application: p.Output.Application,
		Joliet: p.Output.Joliet, Seed: p.seed.Sub("iso"),
	}
}

// packsRoot reports whether the whole root lies in one file.
func (p *planner) packsRoot() bool {
	return p.Packs() && (p.store.made != nil || p.store.system == "")
}

// luksUUID returns the identifier of a partition's container.
func (p *planner) luksUUID(i int) string {
	if id := p.Disk.Partitions[i].LUKSUUID; id != "" {
		return strings.ToLower(id)
	}
	return p.seed.Sub("partition " + p.Disk.Partitions[i].Name).UUID("luks").String()
}

// A Pending is a partition whose bytes a tool has to make, in a machine: the disk of the
// plan has a hole in its place.
type Pending struct {
	At         int // the index of the partition, in the recipe and on the disk
	Name       string
	UUID       string // of the file system
	Label      string
	Tool       *foreign.FileSystem // nil where the bytes are known
	Source     *image.Map          // an ext4 with the files, or else the bytes
	LostFound  bool                // the files have a lost+found of their own, beside ext4's
	LUKS       string              // the UUID of the container; empty without
	Passphrase *recipes.Secret
}
