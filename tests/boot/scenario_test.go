package boot

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// TestScenarioShipped plays the tests of all that ships with ingot.
func TestScenarioShipped(t *testing.T) {
	parallel(t)
	s := &workplace{t: t, dir: t.TempDir(), run: t.TempDir()}
	kernel := "system.kernel=" + testenv.Kernel(t)
	for _, x := range []struct{ what, want string }{
		{"web", "ok    page"}, {"builder", "ok    takes ssh"}, {"pair", "ok    page by name"},
	} {
		t.Run(x.what, func(t *testing.T) {
			out := s.ingot("test", x.what, "--set", kernel)
			if !strings.Contains(out, x.want) {
				t.Errorf("ingot test %s:\n%s\nwant %q", x.what, out, x.want)
			}
		})
	}
}

// login is a script that takes a picture of a login prompt.
const login = `start
wait line "ingot: ready on ttyS0"
wait 4m text "ready on tty1"
wait 4m text "root@rescue"
screenshot login.png
compare login.png stored.png 20%
type "echo typed > /run/typed\n"
wait 4m run grep -q typed /run/typed
`

// TestBuildTest builds the rescue system after its tests, boots it by its boot loader
// with a script of its own, and looks at the screen, the reports, and what a test that
// fails leaves: no image.
func TestBuildTest(t *testing.T) {
	parallel(t)
	s := &workplace{t: t, dir: t.TempDir(), run: t.TempDir()}
	kernel := "system.kernel=" + testenv.Kernel(t)
	stored, err := os.ReadFile("testdata/login.png")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(s.dir, "stored.png"), stored, 0o644))
	must(t, os.WriteFile(filepath.Join(s.dir, "login.test"), []byte(login), 0o644))

	cmd := s.command("build", "rescue", "-o", "rescue.img", "-q", "--test", "--test-step-timeout", "4m", "--test-junit", "junit.xml", "--set", kernel)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "ok    boots") {
		t.Fatalf("ingot build --test: %v\n%s", err, out)
	}
	var report struct {
		Tests int `xml:"tests,attr"`
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "junit.xml"))
	must(t, err)
	must(t, xml.Unmarshal(text, &report))
	if report.Tests != 1 {
		t.Errorf("the JUnit report: %s", text)
	}
	out, err := s.command("test", "rescue.img", "--script", "login.test", "--boot", "bios", "--results", "out", "--verbose").CombinedOutput()
	if err != nil {
		t.Errorf("ingot test --script: %v\n%s", err, out)
	}
	for _, name := range []string{"results.json", "login/login.png", "login/console-rescue.txt"} {
		if info, err := os.Stat(filepath.Join(s.dir, "out", name)); err != nil || info.Size() == 0 {
			t.Errorf("out/%s: %v; want it there", name, err)
		}
	}

	failing := `tests=[{name: never, script: "start\nwait 2s line /a line that does not come/\n"}]`
	out, err = s.command("build", "rescue", "-o", "bad.img", "-q", "--test", "--set", kernel, "--set", failing).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "FAIL  never") || !strings.Contains(string(out), `"a line that does not come" did not come (not within 2s)`) {
		t.Errorf("ingot build --test of what fails: %v\n%s", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "bad*")); left != nil {
		t.Errorf("the build has left %v", left)
	}
}
