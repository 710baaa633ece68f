package fstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"pgregory.net/rapid"

	"ingot/tests/testenv"
)

// T is what the helpers need of a test: a *testing.T, a *testing.B or, within a
// property, a *rapid.T.
type T = rapid.TB

// Judge returns the path of an independent tool: [testenv.Judge].
func Judge(t T, name, pkg string) string {
	t.Helper()
	return testenv.Judge(t, name, pkg)
}

// Run runs a tool in the C locale and returns what it wrote to both outputs. The
// test fails with that text if the tool does.
func Run(t T, tool string, args ...string) string {
	t.Helper()
	out, err := run(tool, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", line(tool, args), err, out)
	}
	return out
}

func run(tool string, args ...string) (string, error) {
	cmd := exec.Command(tool, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// line is a command as a person would repeat it.
func line(tool string, args []string) string {
	return strings.Join(append([]string{filepath.Base(tool)}, args...), " ")
}

// Clean returns the check of a [Suite] that is one command: the tool, its
// arguments and the image. The tool must end with status 0.
func Clean(tool, pkg string, args ...string) func(t T, image string) {
	return func(t T, image string) {
		t.Helper()
		Run(t, Judge(t, tool, pkg), append(args[:len(args):len(args)], image)...)
	}
}
