package storedisk

import (
	"ingot/guest/wire"
	"ingot/storedb"
)

// Words are the words on the kernel's command line, or in the initramfs
// (initramfs.Options.Arguments), by which ingot as the guest's init mounts the store.
func (d *Disk) Words() []string {
	return append([]string{wire.StoreWord.With("UUID=" + d.UUID)}, flavourWords(d.Flavour)...)
}

// ShareWords are those for a store directory that the host shares under a tag.
// Filesystem is virtiofs or 9p. databaseTag is that of the share of the database's
// folder; the guest writes to a layer of its own over it. It may be empty.
func ShareWords(f storedb.Flavour, filesystem, tag, databaseTag string) []string {
	words := append([]string{wire.StoreWord.With(wire.Shared(filesystem, tag))}, flavourWords(f)...)
	if databaseTag != "" {
		words = append(words, wire.DatabaseWord.With(wire.Shared(filesystem, databaseTag)))
	}
	return words
}

func flavourWords(f storedb.Flavour) []string {
	if f == storedb.Nix {
		return nil
	}
	return []string{wire.FlavourWord.With(f.String())}
}
