package storedisk

import (
	"net/url"
	"strings"

	"ingot/storedb"
)

// Words are the words on the kernel's command line, or in the initramfs
// (initramfs.Options.Arguments), by which ingot as the guest's init mounts the store.
func (d *Disk) Words() []string {
	return append([]string{"ingot.store=UUID=" + d.UUID}, flavourWords(d.Flavour)...)
}

// ShareWords are those for a store directory that the host shares under a tag.
// Filesystem is virtiofs or 9p. databaseTag is that of the share of the database's
// folder; the guest writes to a layer of its own over it. It may be empty.
func ShareWords(f storedb.Flavour, filesystem, tag, databaseTag string) []string {
	words := append([]string{"ingot.store=" + filesystem + ":" + tag}, flavourWords(f)...)
	if databaseTag != "" {
		words = append(words, "ingot.store.db="+filesystem+":"+databaseTag)
	}
	return words
}

func flavourWords(f storedb.Flavour) []string {
	if f == storedb.Nix {
		return nil
	}
	return []string{"ingot.store.flavour=" + f.String()}
}

// Writable is the word that lays a folder in memory over the store.
const Writable = "ingot.store.writable"

// The words for what the guest does with the store, the first of which counts, in this
// order. Without one, it tells that it has nothing to do and powers off, unless a port
// for an agent or root= gives it something.
const (
	Find  = "ingot.find"  // list it
	Shell = "ingot.shell" // a shell on the console or, if there are any, the ports below; the machine ends with it
)

// AskFor says whether words for a kernel ask the guest for something to do: to list its
// store, for a shell, for a program, or to start a system; by ingot's own words, or those of
// the systems whose words it understands, too.
func AskFor(words []string) bool {
	for _, w := range words {
		key, _, _ := strings.Cut(w, "=")
		switch model, does, _ := strings.Cut(key, "."); {
		case key == "init" || key == "root":
			return true
		case model != "ingot" && model != "tvix" && model != "snix":
		case does == "find" || does == "shell" || does == "run":
			return true
		}
	}
	return false
}

// RunWords are those that run a program of the store, with arguments and environment
// of any bytes, and end the machine with it. Its status comes out of the port
// [StatusPort], in decimal, and a line end.
func RunWords(path string, args, environment []string) []string {
	words := []string{"ingot.run=" + path}
	for _, a := range args {
		words = append(words, "ingot.arg="+url.QueryEscape(a))
	}
	for _, e := range environment {
		words = append(words, "ingot.env="+url.QueryEscape(e))
	}
	return words
}

// InitWord is the one that makes a program the init of a system whose root is a tmpfs
// with nothing in it but the store or, with [RootWords], what [Root] was laid out for.
func InitWord(path string) string { return "init=" + path }
