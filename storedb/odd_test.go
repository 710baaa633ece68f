package storedb

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/fstest"
)

// TestOddRegistrations reads registrations as real Nix does, which is asked as well.
func TestOddRegistrations(t *testing.T) {
	a, b := Nix.path("a"), Nix.path("b")
	sum := Hash{1, 2, 3}
	record := func(path, hash, size, deriver string, refs ...string) string {
		return fmt.Sprintf("%s\n%s\n%s\n%s\n%d\n%s", path, hash, size, deriver, len(refs), strings.Join(append(refs, ""), "\n"))
	}
	one := record(a, sum.Base16(), "112", "")
	for _, c := range []struct {
		name, text string
		want       string // of ingot's error; "" if it is taken
		nix        bool   // whether Nix takes it
		why        string // it is not what ingot does
	}{
		{name: "as it is", text: one, nix: true},
		{name: "base 32", text: record(a, sum.Base32(), "112", ""), nix: true},
		{name: "base 32 behind the algorithm", text: record(a, "sha256:"+sum.Base32(), "112", ""), nix: true},
		{name: "SRI", text: record(a, sum.SRI(), "112", ""), nix: true},
		{name: "base 64", text: record(a, strings.TrimPrefix(sum.SRI(), "sha256-"), "112", ""), nix: true},
		{name: "capitals", text: record(a, strings.ToUpper(sum.Base16()), "112", ""), nix: true},
		{name: "another algorithm", text: record(a, "sha512:"+strings.Repeat("0", 128), "112", ""), want: "sha256 was expected"},
		{name: "sha1", text: record(a, strings.Repeat("0", 40), "112", ""), want: "is not a SHA-256"},
		{name: "hash of a word", text: record(a, "nonsense", "112", ""), want: "is not a SHA-256"},
		{name: "no hash", text: record(a, "", "112", ""), want: "is not a SHA-256"},
		{name: "negative size", text: record(a, sum.Base16(), "-1", ""), want: "which is a number"},
		{name: "size of a word", text: record(a, sum.Base16(), "x", ""), want: "which is a number"},
		{name: "size with a unit", text: record(a, sum.Base16(), "1K", ""), want: "which is a number"},
		{name: "deriver", text: record(a, sum.Base16(), "112", Nix.path("a.drv")), nix: true},
		{name: "deriver without the store", text: record(a, sum.Base16(), "112", filepath.Base(Nix.path("a.drv"))), want: "is not a store path"},
		{name: "unknown deriver", text: record(a, sum.Base16(), "112", "unknown-deriver"), want: "is not a store path"},
		{name: "itself", text: record(a, sum.Base16(), "112", "", a), nix: true},
		{name: "reference that is missing", text: record(a, sum.Base16(), "112", "", b), want: "which no source defines"},
		{name: "reference that comes later", text: record(a, sum.Base16(), "112", "", b) + record(b, sum.Base16(), "112", ""), nix: true},
		{name: "reference twice", text: record(a, sum.Base16(), "112", "", b, b) + record(b, sum.Base16(), "112", ""), nix: true},
		{name: "circle", text: record(a, sum.Base16(), "112", "", b) + record(b, sum.Base16(), "112", "", a), want: "neither nix nor guix registers such a circle"},
		{name: "twice", text: one + one, nix: true},
		{name: "twice, with other hashes", text: one + record(a, Hash{2}.Base16(), "112", ""), want: "contradict", nix: true, why: "Nix takes the last"},
		{name: "other store", text: record("/opt/store/"+filepath.Base(a), sum.Base16(), "112", ""), want: "does not lie in /nix/store"},
		{name: "within a path", text: record(a+"/bin", sum.Base16(), "112", ""), want: "does not lie directly in /nix/store"},
		{name: "slash at the end", text: record(a+"/", sum.Base16(), "112", ""), want: "does not lie directly in", nix: true, why: "Nix tidies the path first"},
		{name: "up and down", text: record("/nix/store/../store/"+filepath.Base(a), sum.Base16(), "112", ""), want: "is not a store path", nix: true, why: "Nix tidies the path first"},
		{name: "space at the end", text: record(a+" ", sum.Base16(), "112", ""), want: "letters, digits and +-._?= are allowed"},
		{name: "lines that end as in DOS", text: strings.ReplaceAll(one, "\n", "\r\n"), want: "line ends in CR LF"},
		{name: "cut", text: one[:len(one)-3], want: "ends where"},
		{name: "fewer references than told", text: strings.TrimSuffix(one, "0\n") + "2\n" + a + "\n", want: "ends where reference 2 of 2"},
		{name: "number of references of a word", text: strings.TrimSuffix(one, "0\n") + "x\n", want: "which is a number"},
		{name: "empty line between", text: one + "\n" + record(b, sum.Base16(), "112", ""), want: "store path is empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			items, err := Nix.ReadRegistration("registration", strings.NewReader(c.text))
			if err == nil {
				var all *Closure
				if all, err = NewClosure(Nix, items); err == nil {
					_, err = all.Database(DatabaseOptions{})
				}
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("ingot: %v; want %q", err, c.want)
			}
			cmd := exec.Command(fstest.Judge(t, "nix-store", "nix-bin"), "--store", "local?root="+filepath.Join(t.TempDir(), "root"), "--load-db")
			cmd.Env = []string{"NIX_CONFIG=build-users-group =", "HOME=" + t.TempDir(), "LC_ALL=C"}
			cmd.Stdin = strings.NewReader(c.text)
			out, nix := cmd.CombinedOutput()
			if (nix == nil) != c.nix {
				t.Errorf("Nix: %v: %s\nwant it to take it: %t", nix, out, c.nix)
			}
			if (nix == nil) != (err == nil) && c.why == "" {
				t.Errorf("Nix: %v: %s\ningot: %v", nix, out, err)
			}
		})
	}
}

// TestOddRows leaves out, of a live store's rows, what Nix could not read of a copy, and mends
// rows that are registered anew.
func TestOddRows(t *testing.T) {
	zeros := strings.Repeat("0", 52)
	for name, c := range map[string]struct {
		set  string // of the row of lib
		note string
		// mended says that Register changes the row.
		mended bool
	}{
		"nonsense for a content address":  {"ca = 'nonsense'", `content address "nonsense" is not of the form`, true},
		"content address of another path": {"ca = 'fixed:r:sha256:" + zeros + "'", "makes the path", false},
		"word for a deriver":              {"deriver = 'x'", `its deriver: "x" is not a store path`, true},
		"word for a signature":            {"sigs = 'k:1 l:" + strings.Repeat("A", 86) + "==" + "'", `signature "k:1": `, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSound(t, Nix)
			s.sql(t, "update ValidPaths set "+c.set+" where path like '%-lib'")
			root := writable(t, filepath.Join(t.TempDir(), "root"))
			checkout(t, s.tree, root)
			items, err := Nix.ReadRootDatabase(background, root)
			if err != nil {
				t.Fatal(err)
			}
			all := closure(t, Nix, items...)
			if notes := all.Notes(); len(notes) != 1 || !strings.Contains(notes[0], c.note) || !strings.HasSuffix(notes[0], ": it is left out") {
				t.Errorf("notes %q; want %s", notes, c.note)
			}
			lib := all.Lookup(s.lib)
			if lib.Deriver != "" || strings.Contains(lib.CA, "nonsense") || strings.Contains(lib.CA, zeros) || len(lib.Sigs) != strings.Count(c.set, "l:") {
				t.Errorf("lib = %+v", lib)
			}
			fresh := writable(t, filepath.Join(t.TempDir(), "fresh"))
			if _, err := Register(background, fresh, closure(t, Nix, From(filepath.Join(root, Nix.StoreDir()), items)...), RegisterOptions{Copy: true}); err != nil {
				t.Fatal(err)
			}
			nixTool(t, "nix", fresh, "", "--extra-experimental-features", "nix-command", "path-info", "--json", "--all")
			if r, err := CheckRoot(background, fresh, CheckOptions{AnyOwner: true}); err != nil || len(r.Findings) > 0 {
				t.Errorf("after it was copied: %v\n%s", err, describe(r.Findings))
			}

			items, err = Nix.ReadRootDatabase(background, root)
			if err != nil {
				t.Fatal(err)
			}
			did, err := Register(background, root, closure(t, Nix, items...), RegisterOptions{})
			if err != nil || did.Updated != map[bool]int{true: 1}[c.mended] {
				t.Errorf("Register in place: %+v, %v; want the row mended: %t", did, err, c.mended)
			}
			nixTool(t, "nix", root, "", "--extra-experimental-features", "nix-command", "path-info", "--json", "--all")
		})
	}
}
