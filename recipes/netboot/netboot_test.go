package netboot

import (
	"strings"
	"testing"

	"ingot/image"
)

func files() []File {
	var list []File
	for _, name := range []string{KernelFile, InitrdFile, "root.squashfs"} {
		list = append(list, File{name, image.MapOf(image.Bytes("the "+name), nil)})
	}
	return list
}

// text returns what iPXE would read.
func text(t *testing.T, s Script) string {
	t.Helper()
	blob, err := s.Blob()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, blob.Size())
	if _, err := blob.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestScript looks for what signatures, digests and a password add to a script.
func TestScript(t *testing.T) {
	const verify, shell, digest = "imgverify kernel kernel.sig || goto failed\n", ":loop\n", "iseq ${digest:hexraw} "
	for _, x := range []struct {
		name   string
		change func(*Script)
		has    []string
		lacks  []string
	}{
		{"plain", func(*Script) {}, []string{"kernel --name kernel kernel quiet || goto failed\n", "--timeout 3000 ", shell}, []string{verify, digest}},
		{"at once", func(s *Script) { s.Timeout = 0 }, []string{"--timeout 1 "}, nil},
		{"for ever", func(s *Script) { s.Timeout = -1 }, nil, []string{"choose --default normal --timeout"}},
		{"signed", func(s *Script) { s.Signed = true }, []string{verify}, []string{shell, digest}},
		{"signed, with a password", func(s *Script) { s.Signed, s.Password = true, "x" }, []string{verify, shell, "iseq ${password} x || goto menu\n"}, nil},
		{"with digests", func(s *Script) { s.Signed, s.Digests = true, NewDigests(s.Files) }, // of "the kernel"
			[]string{verify, digest + "7c2f712a5b31004cd31b6fe611e12219b02a73755049a698be58fdfa32a856cf || goto failed\n"}, []string{shell}},
	} {
		s := Script{Name: "web", Title: "Web", Line: "quiet", Timeout: 3, Inside: "root.squashfs", Files: files()}
		x.change(&s)
		got := text(t, s)
		for _, want := range x.has {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the script lacks %q:\n%s", x.name, want, got)
			}
		}
		for _, other := range x.lacks {
			if strings.Contains(got, other) {
				t.Errorf("%s: the script has %q:\n%s", x.name, other, got)
			}
		}
	}
}

// TestScriptErrors refuses what iPXE would take for a word of its own.
func TestScriptErrors(t *testing.T) {
	for _, x := range []struct{ title, line, want string }{
		{"Web", "a || b", `iPXE takes "||" for a word of its own`},
		{"Web", "a #b", `iPXE takes "#b" for a word of its own`},
		{"Web", "a=${b}", "iPXE takes ${ for the beginning of a setting's name"},
		{"Web", "a\x01", "a script of iPXE has no control characters"},
		{"-x", "a", "iPXE takes it for an option"},
	} {
		_, err := Script{Title: x.title, Line: x.line, Files: files()}.Blob()
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("title %q, line %q: %v; want %s", x.title, x.line, err, x.want)
		}
	}
}

func TestIsFile(t *testing.T) {
	for name, want := range map[string]bool{"kernel": true, "kernel.sig": true, "root.erofs": true, "manifest.json.sig": true, "kernel.sig.sig": false, "other": false, "": false} {
		if got := IsFile(name); got != want {
			t.Errorf("IsFile(%q) = %v; want %v", name, got, want)
		}
	}
}
