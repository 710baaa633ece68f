package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// recipe is the disk of the benchmarks raw and reflink.
const recipe = `name: bench
store:
  closures:
    - {registration: registration, from: root/nix/store}
disk:
  partitions:
    - {name: root, filesystem: ext4, label: root, size: fit+64MiB, contents: {store: true}}
`

// copying are the contestants that turn the closure in from into one file in to.
// The last is ingot again, as it is when nothing is asked of it: it waits for the
// disk, and takes digests of what it wrote.
func (b *bench) copying(from, to string, mke2fs, cat float64) ([]contestant, error) {
	name := filepath.Join(from, "bench.yaml")
	if err := os.WriteFile(name, []byte(recipe), 0o644); err != nil {
		return nil, err
	}
	file := func(name string) string { return filepath.Join(to, name) }
	size := strconv.FormatInt(gibibyte.Bytes>>20*3/2, 10) + "M" // room for the parts of blocks
	return []contestant{
		{name: "ingot build --no-sync --no-manifest", output: file("ingot.img"),
			args: []string{b.ingot, "build", name, "-q", "--no-sync", "--no-manifest", "-o", file("ingot.img")}},
		{name: "mke2fs -d", aim: mke2fs, output: file("mke2fs.img"), args: []string{
			"mke2fs", "-q", "-F", "-t", "ext4", "-O", "^metadata_csum_seed,^orphan_file",
			"-N", strconv.Itoa(gibibyte.entries() + 1000), "-d", filepath.Join(from, "root"), file("mke2fs.img"), size}},
		{name: "cat", aim: cat, output: file("cat"), stdin: filepath.Join(from, "files"),
			args: []string{"sh", "-c", `xargs -0 cat > "$1"`, "sh", file("cat")}},
		{name: "ingot build", output: file("ingot.img"), args: []string{b.ingot, "build", name, "-q", "-o", file("ingot.img")}},
	}, nil
}

// warm reads all files of a closure once, so that the first contestant finds them in
// the page cache as the others do.
func warm(from string) error {
	out, err := exec.Command("sh", "-c", `xargs -0 cat < "$1" > /dev/null`, "sh", filepath.Join(from, "files")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cat: %w\n%s", err, out)
	}
	return nil
}

func (b *bench) raw() error {
	if err := warm(b.dir); err != nil {
		return err
	}
	contestants, err := b.copying(b.dir, b.dir, 5, 1/1.2)
	if err != nil {
		return err
	}
	results, err := race(b.runs, contestants)
	if err != nil {
		return err
	}
	table(os.Stdout, fmt.Sprintf("raw: a closure of 1 GiB (%d paths, %d files, %d entries) to a raw disk with ext4",
		gibibyte.Paths, gibibyte.Files, gibibyte.entries()), results)
	return nil
}

// reflink repeats raw on a file system of its own, that can clone.
func (b *bench) reflink() error {
	if os.Geteuid() != 0 {
		fmt.Println("\nreflink: left out, since only root can mount an XFS")
		return nil
	}
	img, mount := filepath.Join(b.dir, "xfs.img"), filepath.Join(b.dir, "xfs")
	defer os.Remove(img)
	defer os.Remove(mount)
	if err := os.MkdirAll(mount, 0o755); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"truncate", "-s", "8G", img},
		{"mkfs.xfs", "-q", "-f", "-m", "reflink=1", img},
		{"mount", "-o", "loop", img, mount},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", args[0], err, out)
		}
	}
	defer syscall.Unmount(mount, 0)
	from := filepath.Join(mount, "closure")
	if err := os.Mkdir(from, 0o755); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", filepath.Join(b.dir, "root"), filepath.Join(b.dir, "graph"), from).CombinedOutput(); err != nil {
		return fmt.Errorf("cp: %w\n%s", err, out)
	}
	list := exec.Command("sh", "-c", `find root -type f -print0 | LC_ALL=C sort -z | sed -z "s|^|$PWD/|" > files`)
	list.Dir = from
	if out, err := list.CombinedOutput(); err != nil {
		return fmt.Errorf("find: %w\n%s", err, out)
	}
	if err := b.command("work", "register", from); err != nil {
		return err
	}
	if err := warm(from); err != nil {
		return err
	}
	contestants, err := b.copying(from, mount, 30, 0)
	if err != nil {
		return err
	}
	results, err := race(b.runs, contestants)
	if err != nil {
		return err
	}
	table(os.Stdout, "reflink: the same on XFS, on a loop device", results)
	return nil
}

func (b *bench) nar() error {
	if err := warm(b.dir); err != nil {
		return err
	}
	results, err := race(b.runs, []contestant{
		{name: "ingot", args: []string{b.self, "work", "nar", b.dir}},
		{name: "openssl, two processes", aim: 1, stdin: filepath.Join(b.dir, "files"), output: filepath.Join(b.dir, "sums"),
			args: []string{"sh", "-c", `xargs -0 -n 4000 -P 2 openssl dgst -sha256 > "$1"`, "sh", filepath.Join(b.dir, "sums")}},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, "nar: the NAR hashes of all paths, with finding the files; openssl is told the files and hashes each", results)
	return nil
}

// registered is how many paths the benchmark db has.
const registered = 50000

func (b *bench) database() error {
	registration, state := filepath.Join(b.dir, "many"), filepath.Join(b.dir, "nix")
	defer os.Remove(registration)
	if err := b.command("work", "many", registration); err != nil {
		return err
	}
	results, err := race(b.runs, []contestant{
		{name: "ingot", args: []string{b.self, "work", "db", registration, filepath.Join(b.dir, "db.sqlite")}, output: filepath.Join(b.dir, "db.sqlite")},
		{name: "nix-store --load-db", aim: 5, stdin: registration, output: state, args: []string{
			"env", "NIX_CONFIG=build-users-group =", "nix-store", "--store", state, "--load-db"}},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, fmt.Sprintf("db: a registration of %d paths to a database", registered), results)
	return nil
}

// manyPaths writes a registration of n paths that have no files.
func manyPaths(name string, n int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	c := shape{Paths: n, Plain: n}.generate(2)
	for i, p := range c.paths {
		fmt.Fprintf(w, "%s%s\n%064x\n%d\n\n%d\n", storeDir, p, i+1, 1000+8*i, len(c.references[i]))
		for _, r := range c.references[i] {
			fmt.Fprintf(w, "%s%s\n", storeDir, c.paths[r])
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

func (b *bench) memory() error {
	file := filepath.Join(b.dir, "graph") // any file will do
	var results []*result
	for _, n := range []string{"250000", "1000000"} {
		for _, task := range []string{"tree", "ext4"} {
			r := &result{contestant: contestant{name: task + " of " + n + " files", args: []string{b.self, "work", task, n, file}}}
			if err := r.run(); err != nil {
				return err
			}
			results = append(results, r)
		}
	}
	fmt.Println("\nmemory: a Tree of files, a hundred in each folder, and the ext4 file system made of it")
	for _, r := range results {
		fmt.Printf("%24s  %.1f s, peak %d MiB, %s\n", r.name, r.median().Seconds(), r.memory>>20, r.notes)
	}
	return nil
}
