package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// ending runs fn as a test of its own kind would run and says how it ended.
func ending(fn func(testing.TB)) string {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil && v != r {
				panic(v)
			}
		}()
		fn(r)
		r.end = "returned"
	}()
	<-done
	return r.end
}

// recorder is a testing.TB that notes how a test would have ended.
type recorder struct {
	testing.TB
	end string
}

func (r *recorder) Helper()               {}
func (r *recorder) Fatal(...any)          { r.end = "failed"; panic(r) }
func (r *recorder) Fatalf(string, ...any) { r.end = "failed"; panic(r) }
func (r *recorder) Skip(...any)           { r.end = "skipped"; panic(r) }

func TestMissing(t *testing.T) {
	for _, c := range []struct{ ci, want string }{{"", "skipped"}, {"true", "failed"}} {
		t.Setenv("CI", c.ci)
		if got := ending(func(t testing.TB) { Missing(t, "no kernel") }); got != c.want {
			t.Errorf("with CI=%q, Missing = %s; want %s", c.ci, got, c.want)
		}
	}
}

func TestKernel(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("INGOT_KERNEL", dir)
	t.Setenv("CI", "")
	if got := ending(func(t testing.TB) { Kernel(t) }); got != "skipped" {
		t.Errorf("Kernel of an empty folder = %s; want skipped", got)
	}
	if err := os.Mkdir(filepath.Join(dir, "boot"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "boot", "vmlinuz-1"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := Kernel(t); got != dir {
		t.Errorf("Kernel = %s; want %s", got, dir)
	}
}

func TestRoot(t *testing.T) {
	if got := Root(t); filepath.Join(got, "tests", "testenv") != mustGetwd(t) {
		t.Errorf("Root = %s", got)
	}
}

func mustGetwd(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEventually(t *testing.T) {
	n := 0
	soon := func() error {
		if n++; n < 3 {
			return errors.New("not yet")
		}
		return nil
	}
	if got := ending(func(t testing.TB) { Eventually(t, soon) }); got != "returned" || n != 3 {
		t.Errorf("Eventually of the third time = %s after %d; want returned after 3", got, n)
	}
	if got := ending(func(t testing.TB) { eventually(t, 0, func() error { return errors.New("never") }) }); got != "failed" {
		t.Errorf("eventually of what never holds = %s; want failed", got)
	}
}
