package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ingot/bootloader/initramfs"
	kernels "ingot/bootloader/kernel"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/image/nbd"
	"ingot/storedb"
	"ingot/storedb/storedisk"
	"ingot/vm"
	"ingot/vm/session"
)

// store reads 500 MB of files in a guest: from a store as a block device, and through
// virtiofs. They are of a megabyte each: with the closure's small ones, a guest by TCG
// measures its own system calls.
func (b *bench) store() error {
	dir := filepath.Join(b.dir, "guest-store")
	defer os.RemoveAll(dir)
	if err := bigFiles(filepath.Join(dir, bigItem)); err != nil {
		return err
	}
	var results []*result
	for _, x := range []contestant{{name: "store as a disk"}, {name: "virtiofs", aim: 1}} {
		results = append(results, &result{contestant: x})
	}
	for range b.runs {
		for i, share := range []bool{false, true} {
			took, err := b.readInGuest(dir, share)
			if err != nil {
				return fmt.Errorf("%s: %w", results[i].name, err)
			}
			results[i].times = append(results[i].times, took)
		}
	}
	table(os.Stdout, "store: 500 MB of files read in a guest, by TCG; the reading alone", results)
	return nil
}

const (
	bigItem  = "00000000000000000000000000000000-big"
	bigCount = 500
	bigSize  = 1e6
)

// bigFiles writes the files, whose bytes differ.
func bigFiles(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	r := rand.NewChaCha8([32]byte{1})
	p := make([]byte, bigSize)
	for i := range bigCount {
		if _, err := r.Read(p); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d", i)), p, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// readInGuest boots a machine and measures how long a command in it takes that reads all files.
func (b *bench) readInGuest(dir string, share bool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := b.guestOf(ctx, dir, share)
	if err != nil {
		return 0, err
	}
	m, err := vm.Start(ctx, c)
	if err != nil {
		return 0, err
	}
	defer m.Kill()
	client, err := session.Open(ctx, m, session.Options{})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	start := time.Now()
	if _, err := client.Exec(ctx, session.Command{Argv: []string{"sh", "-c", "cat * > /dev/null"}, Dir: storeDir + bigItem}); err != nil {
		return 0, err
	}
	took := time.Since(start)
	var files strings.Builder
	if _, err := client.Exec(ctx, session.Command{Argv: []string{"ls"}, Dir: storeDir + bigItem, Stdout: &files}); err != nil {
		return 0, err
	}
	if n := strings.Count(files.String(), "\n"); n != bigCount {
		return 0, fmt.Errorf("the guest has %d files:\n%s", n, m.Tail())
	}
	return took, nil
}

// guestOf describes a machine that mounts the store.
func (b *bench) guestOf(ctx context.Context, dir string, share bool) (c vm.Config, err error) {
	items := []*storedb.Item{{Path: storeDir + bigItem}}
	closure, err := storedb.NewClosure(storedb.Nix, storedb.From(dir, items))
	if err != nil {
		return c, err
	}
	var words []string
	if share {
		words = storedisk.ShareWords(storedb.Nix, "virtiofs", "store", "")
		c.Shares = []vm.Share{{Tag: "store", Dir: dir, ReadOnly: true, Kind: vm.VirtioFS}}
	} else {
		store, err := storedisk.New(ctx, storedisk.Options{Closure: closure, NoDatabase: true})
		if err != nil {
			return c, err
		}
		words = store.Words()
		socket, err := nbd.Connect(ctx, store.Map, nbd.Options{Failed: func(err error) { fmt.Fprintf(os.Stderr, "bench: store: %v\n", err) }})
		if err != nil {
			return c, err
		}
		c.Disks = []vm.Disk{{NBD: socket, Serial: storedisk.Serial, ReadOnly: true}}
	}
	k, err := kernels.Find("bin/kernel")
	if err != nil {
		return c, err
	}
	program, err := image.NewHostFile(b.ingot)
	if err != nil {
		return c, err
	}
	c.Initrd, err = initramfs.Build(initramfs.Options{
		Init: program, Kernel: k, Compression: initramfs.None,
		Arguments: append(words, string(wire.AgentWord)),
		Modules:   []string{"virtio_pci", "virtio_blk", "virtio_console", "ext4", "overlay", "virtiofs"},
	})
	c.Kernel, c.Append = k.Image, "console=ttyS0 quiet panic=-1"
	c.Accel, c.Memory, c.CPUs, c.Channels = vm.TCG, 2<<30, 2, []string{wire.AgentPort}
	return c, err
}
