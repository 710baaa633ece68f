package plan

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/fstest"
	"ingot/tests/nixos/cases"
)

// judged plans the recipe of a case.
func judged(t *testing.T, c cases.Case, set ...string) (*Plan, error) {
	t.Helper()
	dir := t.TempDir()
	if err := c.Config.Write(dir); err != nil {
		t.Fatal(err)
	}
	text := cases.Recipe
	if c.Edit != nil {
		text = c.Edit.Replace(text)
	}
	return plan(t, dir, text, append(c.Set, set...)...)
}

// TestFits plans what fits, of either kind of stage 1, without a word.
func TestFits(t *testing.T) {
	fstest.Judge(t, "grub-mkimage", "grub-common")
	for name, c := range map[string]cases.Case{
		"script":  {Config: cases.Default()},
		"systemd": {Config: func() cases.Config { c := cases.Default(); c.Systemd = true; return c }()},
		"ISO":     {Config: cases.Live(cases.Volume), Set: cases.ISO()},
	} {
		p, err := judged(t, c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(p.Warnings) > 0 {
			t.Errorf("%s: warnings %q", name, p.Warnings)
		}
		p.Close()
	}
}

// TestWaysToGetItWrong refuses what would not boot, by the key that makes it right, before
// anything is made; and passes over it if asked.
func TestWaysToGetItWrong(t *testing.T) {
	fstest.Judge(t, "grub-mkimage", "grub-common")
	t.Setenv("INGOT_TEST_PASSPHRASE", "secret")
	for _, c := range cases.All() {
		t.Run(strings.ReplaceAll(c.Name, " ", "-"), func(t *testing.T) {
			p, err := judged(t, c)
			says := ""
			if err != nil {
				says = err.Error()
			} else {
				says = strings.Join(p.Warnings, "\n")
				p.Close()
			}
			found := new(Finding)
			switch {
			case c.Warns != (err == nil), !strings.Contains(says, c.Says), err == nil && !strings.Contains(says, "("+c.Finding+")"):
				t.Errorf("%v\nwant %s (%s)", says, c.Says, c.Finding)
			case err != nil && (!errors.As(err, &found) || found.Name != c.Finding):
				t.Errorf("the error is no finding %s", c.Finding)
			}
			if c.Set != nil && strings.Contains(strings.Join(c.Set, " "), "squashfs") {
				return // which takes a second to compress
			}
			p, err = judged(t, c, "lint.ignore=["+c.Finding+"]")
			if err == nil {
				for _, w := range p.Warnings {
					if strings.HasSuffix(w, "("+c.Finding+")") {
						t.Errorf("passed over, it still warns: %s", w)
					}
				}
				p.Close()
			} else if errors.As(err, &found) && found.Name == c.Finding {
				t.Errorf("passed over, it is still refused: %v", err)
			}
		})
	}
	if n := len(cases.All()); n < 20 {
		t.Errorf("%d ways", n)
	}
}

// TestVariantIsJudged names the specialisation, or the generation, that would not boot.
func TestVariantIsJudged(t *testing.T) {
	fstest.Judge(t, "grub-mkimage", "grub-common")
	dir := t.TempDir()
	if err := cases.Default().Write(dir); err != nil {
		t.Fatal(err)
	}
	// The variant has all from the system, but an fstab of its own.
	const name = "1123456789abcdfghijklmnpqrsvwxyz-nixos-system-web-other"
	top, variant := filepath.Join(dir, "store", filepath.Base(cases.Toplevel)), filepath.Join(dir, "store", name)
	entries, err := os.ReadDir(top)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(variant, "etc/fstab"), "LABEL=nixos / ext4\nLABEL=EFI /boot vfat\n")
	for _, e := range entries {
		if e.Name() != "etc" {
			if err := os.Symlink(filepath.Join(cases.Toplevel, e.Name()), filepath.Join(variant, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	graph, err := os.ReadFile(filepath.Join(dir, "graph"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "graph"), string(graph)+"/nix/store/"+name+"\n\n1\n"+cases.Toplevel+"\n")
	_, err = plan(t, dir, cases.Recipe, "bootloader.generations=[/nix/store/"+name+"]")
	if want := `disk.partitions[1].label: generation 1: the system looks for /boot by the label "EFI" (etc/fstab:2), and this file system has "ESP" (boot-missing); write label: EFI`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a generation: %v; want %s", err, want)
	}
	if err := os.MkdirAll(filepath.Join(top, "specialisation"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/nix/store/"+name, filepath.Join(top, "specialisation/other")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(variant, "specialisation")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	_, err = plan(t, dir, cases.Recipe)
	if want := `disk.partitions[1].label: other: the system looks for /boot by the label "EFI" (etc/fstab:2)`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a specialisation: %v; want %s", err, want)
	}
}
