package plan

import (
	"bytes"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/image"
	"ingot/partition/fat"
)

// A disk may have a boot loader that ingot did not install: files of the recipe, a file system
// that is copied, or what a step has done. What firmware starts is then found on the disk.

// found returns the firmwares that find something to start on the disk, by the words of recipes.
func (p *Plan) found() (words []string) {
	if p.Recipe.IsISO() || p.Recipe.IsNetboot() {
		return nil
	}
	var programs []string
	for i := range p.Disk.Partitions {
		if part := &p.Disk.Partitions[i]; p.Recipe.Disk.Partitions[i].Type == "esp" && p.Recipe.Disk.Partitions[i].Encrypt == "" {
			programs = append(programs, programsIn(image.Section(p.Disk.Map, part.Start, part.Size))...)
		}
	}
	for _, word := range bootloader.PlatformWords() {
		platform, err := bootloader.ParsePlatform(p.Recipe.Arch, word)
		switch {
		case err != nil: // the architecture has none of these
		case platform == bootloader.BIOS && p.hasBootCode(), slices.Contains(programs, platform.Program()):
			words = append(words, word)
		}
	}
	return words
}

// hasBootCode reports whether a BIOS finds code at the start of the disk.
func (p *Plan) hasBootCode() bool {
	var code [bootloader.BootCode]byte
	return p.Disk.Map.Size() >= int64(len(code)) && image.ReadFull(p.Disk.Map, code[:], 0) == nil && len(bytes.Trim(code[:], "\x00")) > 0
}

// programsIn returns the names, in upper case, of the programs that firmware looks for in an ESP.
// One that cannot be read has none.
func programsIn(esp image.Blob) (names []string) {
	r, err := fat.Open(esp, esp.Size())
	if err != nil {
		return nil
	}
	tree, err := r.Tree()
	if err != nil {
		return nil
	}
	for _, e := range childFold(childFold(tree.Root, "EFI"), "BOOT").Entries() {
		if e.Node.Mode.IsRegular() {
			names = append(names, strings.ToUpper(e.Name))
		}
	}
	return names
}

// childFold returns the folder of a name, in upper or lower case; an empty one if there is none.
func childFold(dir *image.Node, name string) *image.Node {
	for _, e := range dir.Entries() {
		if strings.EqualFold(e.Name, name) && e.Node.IsDir() {
			return e.Node
		}
	}
	return image.NewDir(0)
}
