package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"ingot/image"
	"ingot/partition/ext4"
	"ingot/storedb"
)

// tasks are run in a process of their own: this program, called with the word
// "work". They are ingot's side where no verb of it does that alone, and what
// makes the input.
var tasks = map[string]func(args []string) error{
	"generate":  func(args []string) error { return gibibyte.generate(1).write(args[0]) },
	"many":      func(args []string) error { return manyPaths(args[0], registered) },
	"nar":       workNAR,
	"db":        workDatabase,
	"register":  workRegister,
	"rows":      workRows,
	"tree":      workTree,
	"ext4":      workExt4,
	"iso":       workISO,
	"squashfs":  workSquashfs,
	"erofs":     workEROFS,
	"live":      workLive,
	"firstline": workFirstLine,
	"nbd":       workNBD,
}

func work(args []string) error {
	task := tasks[args[0]]
	if task == nil {
		return fmt.Errorf("work %s: no such task", args[0])
	}
	return task(args[1:])
}

// read reads the closure that lies in dir, by its reference graph alone.
func read(dir string) (*storedb.Closure, error) {
	f, err := os.Open(filepath.Join(dir, "graph"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	items, err := storedb.Nix.ReadGraph(f.Name(), f)
	if err != nil {
		return nil, err
	}
	return storedb.NewClosure(storedb.Nix, storedb.From(filepath.Join(dir, "root", storeDir), items))
}

// workNAR hashes all paths of the closure in a folder: DIR.
func workNAR(args []string) error {
	c, err := read(args[0])
	if err != nil {
		return err
	}
	return c.Load(context.Background(), storedb.LoadOptions{})
}

// workRegister writes the registration of the closure in a folder: DIR.
func workRegister(args []string) error {
	c, err := read(args[0])
	if err != nil {
		return err
	}
	if err := c.Load(context.Background(), storedb.LoadOptions{}); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := c.WriteRegistration(&b); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(args[0], "registration"), b.Bytes(), 0o644)
}

// workRows makes a closure of many small paths, and its registration: DIR.
func workRows(args []string) error {
	if err := rows.generate(3).write(args[0]); err != nil {
		return err
	}
	return workRegister(args)
}

// workDatabase reads a registration and writes a database: REGISTRATION OUT.
func workDatabase(args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	items, err := storedb.Nix.ReadRegistration(f.Name(), f)
	if err != nil {
		return err
	}
	c, err := storedb.NewClosure(storedb.Nix, items)
	if err != nil {
		return err
	}
	db, err := c.Database(storedb.DatabaseOptions{})
	if err != nil {
		return err
	}
	return os.WriteFile(args[1], db, 0o644)
}

// workTree makes a Tree of so many files, each of which is a file of the host: N FILE.
func workTree(args []string) error {
	tree, err := manyFiles(args)
	if err != nil {
		return err
	}
	fmt.Println(heap())
	runtime.KeepAlive(tree)
	return nil
}

// workExt4 lays the Tree of workTree out: N FILE.
func workExt4(args []string) error {
	tree, err := manyFiles(args)
	if err != nil {
		return err
	}
	m, err := ext4.FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(0)})
	if err != nil {
		return err
	}
	fmt.Println(heap())
	runtime.KeepAlive(m)
	return nil
}

func manyFiles(args []string) (*image.Tree, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	tree := image.NewTree()
	var dir *image.Node
	for i := range n {
		if i%100 == 0 {
			dir = image.NewDir(0o755)
			if err := tree.Root.Add(fmt.Sprintf("dir-%05d", i/100), dir); err != nil {
				return nil, err
			}
		}
		data, err := image.NewHostFile(args[1])
		if err != nil {
			return nil, err
		}
		if err := dir.Add(fmt.Sprintf("file-%05d.txt", i%100), image.NewFile(0o644, data)); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// heap says how much memory is in use after a collection.
func heap() string {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return fmt.Sprintf("%d MiB live", m.HeapAlloc>>20)
}

// workLive reads all that the database of a live store holds: DATABASE.
func workLive(args []string) error {
	items, err := storedb.Nix.ReadDatabase(context.Background(), args[0])
	if err != nil {
		return err
	}
	_, err = storedb.NewClosure(storedb.Nix, items)
	return err
}
