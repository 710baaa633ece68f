package guixtest

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ingot/recipes"
	"ingot/storedb"
	"ingot/tests/testenv"
)

// TestPackage compares what guix/ingot/package.scm repeats with where it comes from.
func TestPackage(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(testenv.Sources(t), name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	find := func(in, expression string) string {
		m := regexp.MustCompile(expression).FindStringSubmatch(read(in))
		if m == nil {
			t.Fatalf("%s has nothing that matches %s", in, expression)
		}
		return m[1]
	}
	hash, err := base64.StdEncoding.DecodeString(find("nix/package.nix", `vendorHash = "sha256-([^"]+)"`))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"version":     recipes.Version,
		"go-version":  find("go.mod", `(?m)^go (\S+)$`),
		"tags":        find("Makefile", `(?m)^TAGS = (.+)$`),
		"ldflags":     find("Makefile", `-ldflags '([^']+)'`),
		"vendor-hash": storedb.Hash(hash).Base32(), // tests/nixlib compares that with what go mod vendor writes
	} {
		if got := find("guix/ingot/package.scm", `\(define %`+name+` "([^"]+)"\)`); got != want {
			t.Errorf("guix/ingot/package.scm: %%%s is %q; want %q", name, got, want)
		}
	}
	if channel := read(".guix-channel"); !strings.Contains(channel, `(directory "guix")`) {
		t.Errorf(".guix-channel is %s; want the directory guix", channel)
	}
}

// TestImageTypes asks 'guix system image' for images of ingot's types: the derivations of a real
// operating system, of which nothing is built, and the package of ingot.
func TestImageTypes(t *testing.T) {
	chroot(t)
	p := newPlace(t, emptyRoot(t))
	root := testenv.Sources(t)
	tree := filepath.Join(p.shared, "tree")
	if err := os.CopyFS(filepath.Join(tree, "guix"), os.DirFS(filepath.Join(root, "guix"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "go.sum", "LICENSE", "guix.scm", "cmd/ingot/main.go"} { // enough of the source for a derivation
		if err := copyFile(filepath.Join(root, name), filepath.Join(tree, name)); err != nil {
			t.Fatal(err)
		}
	}
	docs := filepath.Join(p.shared, "docs")
	if err := os.Mkdir(docs, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range examples(t) {
		if err := os.WriteFile(filepath.Join(docs, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const image = "guix system image -L /mnt/tree/guix --no-grafts -d -t "
	out := p.run(t, `set -e
for drv in $(guix build -L /mnt/tree/guix --no-grafts -d ingot -f /mnt/docs/image.scm | sort -t - -k 2 -r); do
	cat $drv
	echo
done
guix system image -L /mnt/tree/guix --list-image-types | grep ingot- | sort | xargs
for args in "ingot-qcow2 --image-size=8G" "ingot-iso --label=Live"; do
	drv=$(`+image+`$args /mnt/docs/config.scm 2>/dev/null)
	cat $drv
	echo
	cat $(tr '"' '\n' < $drv | grep -m 1 -- -recipe.yaml)
done
sed 's/grub-efi-bootloader/u-boot-bootloader/; s/(gnu services networking)/(gnu bootloader u-boot) &/' /mnt/docs/config.scm > /mnt/u-boot.scm
! `+image+`ingot-raw /mnt/u-boot.scm 2>&1 | grep -o "boot loader is .*"
cat > /mnt/own.scm <<END
(use-modules (gnu image) (ingot image))
(os->image (load "/mnt/docs/config.scm")
           #:type (ingot-image-type 'vdi #:settings '(("bootloader.timeout" . 1))))
END
cat $(guix system image -L /mnt/tree/guix --no-grafts -d /mnt/own.scm 2>/dev/null)
echo
echo '(use-modules (guix channels) (guix packages))
(display (map channel-name (load "/mnt/docs/channels.scm")))
(display (package-full-name (load "/mnt/tree/guix.scm")))' > /mnt/load.scm
guix repl /mnt/load.scm
echo
grep -h = $(grep -l web-root /gnu/store/*-fstab)
`)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 12 {
		t.Fatalf("%d lines; want 12:\n%s", len(lines), out)
	}
	const store = `/gnu/store/[0-9a-z]{32}-`
	system := ""
	for i, want := range []string{
		// The package, whose compiler Guix's Go has fetched.
		store + `go-1\.[0-9.]+\.drv",\["out"\].*` + store + `glibc-[0-9.]+\.drv",\["out","static"\]`,
		// The image of the documentation, which is derived.
		store + `ingot-[0-9.]+/bin/ingot",\["build","(` + store + `system)","--format","qcow2",` +
			`"--set","disk\.partitions\.root\.size=\\"8GiB\\"","--set","output\.compression=\\"zstd\\""\],` +
			`\[\("PATH","` + store + `grub-hybrid-[0-9.]+/bin:` + store + `squashfs-tools-[0-9.]+/bin"\),\("exportReferencesGraph","closure `,
		`^- ingot-iso - ingot-qcow2 - ingot-raw - ingot-vdi - ingot-vhd$`,
		// Of ingot's image types: the system is not that of the configuration, but has the root of the image.
		`"build","` + store + `recipe\.yaml","--format","qcow2","--set","system=(` + store + `system)"`,
		`"size":"8589934592B"`,
		`"build","` + store + `recipe\.yaml","--format","iso","--set","system=(` + store + `system)"`,
		`"volume":"LIVE"`,
		`^boot loader is u-boot, and ingot installs GRUB: write \(bootloader grub-bootloader\)`,
		`"--format","vdi","--set","system=` + store + `system","--set","bootloader\.timeout=1"\]`,
		`^\(ingot guix\)ingot@` + regexp.QuoteMeta(recipes.Version) + `$`,
		// The fstab of the configuration, whose lines closure.scm has, too.
		"^LABEL=web-root\t/\text4\tdefaults\t$",
		"^LABEL=ESP\t/boot/efi\tvfat\tdefaults\t$",
	} {
		found := regexp.MustCompile(want).FindStringSubmatch(lines[i])
		if found == nil {
			t.Errorf("line %d is %s; want %s", i+1, lines[i], want)
			continue
		}
		if len(found) > 1 {
			if system == found[1] {
				t.Errorf("line %d: the system is %s again; want another root", i+1, system)
			}
			system = found[1]
		}
		if strings.HasPrefix(lines[i], "{") {
			r, err := recipes.Parse("recipe.yaml", t.TempDir(), []byte(lines[i]), []string{"system=" + system})
			if err != nil {
				t.Errorf("line %d: %v", i+1, err)
				continue
			}
			root := r.Disk.Partitions[len(r.Disk.Partitions)-1]
			if isISO := r.IsISO(); isISO && r.Output.UUID == "" || !isISO && root.UUID == "" || isISO == (len(r.Disk.Partitions) == 3) {
				t.Errorf("line %d: a recipe with %d partitions, the UUIDs %q and %q", i+1, len(r.Disk.Partitions), root.UUID, r.Output.UUID)
			}
		}
	}
}

// emptyRoot is a root with nothing in its store.
func emptyRoot(t testing.TB) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	for _, name := range []string{"gnu/store", "var/guix"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// examples returns the files in docs/guix.md: each stands in a block whose first line is a comment
// with its name.
func examples(t testing.TB) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Sources(t), "docs/guix.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, m := range regexp.MustCompile("(?s)```scheme\n(;; ([a-z]+\\.scm).*?)```").FindAllStringSubmatch(string(text), -1) {
		all[m[2]] = m[1]
	}
	if len(all) != 3 {
		t.Fatalf("docs/guix.md has %d files in Scheme; want config.scm, image.scm and channels.scm", len(all))
	}
	return all
}
