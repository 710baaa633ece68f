package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"ingot/image"
	"ingot/image/iso9660"
)

// iso turns the closure, as plain files, into an ISO.
func (b *bench) iso() error {
	if err := warm(b.dir); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(b.dir, name) }
	results, err := race(b.runs, []contestant{
		{name: "ingot", output: file("ingot.iso"), args: []string{b.self, "work", "iso", file("root"), file("ingot.iso")}},
		{name: "xorriso -as mkisofs", aim: 3, output: file("xorriso.iso"), args: []string{
			"xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-R", "-o", file("xorriso.iso"), file("root")}},
		{name: "cat", aim: 1 / 1.3, output: file("cat"), stdin: file("files"),
			args: []string{"sh", "-c", `xargs -0 cat > "$1"`, "sh", file("cat")}},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, "iso: the closure to an ISO with plain files", results)
	return nil
}

// workISO writes a folder as an ISO: DIR OUT.
func workISO(args []string) error {
	root, err := image.Scan(args[0], image.ScanOptions{})
	if err != nil {
		return err
	}
	m, err := iso9660.Layout(&image.Tree{Root: root}, iso9660.Options{VolumeID: "BENCH"})
	if err != nil {
		return err
	}
	if err := image.WriteRaw(context.Background(), m, args[1], image.WriteOptions{NoSync: true}); err != nil {
		return err
	}
	fmt.Println(m.Size()>>20, "MiB")
	return nil
}
