package docker

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"ingot/image"
)

func tree(t *testing.T) *image.Tree {
	t.Helper()
	tree := image.NewTree()
	for path, n := range map[string]*image.Node{
		"/bin/hello": image.NewFile(0o755, image.Bytes("#!/bin/sh\necho hello\n")), "/etc": image.NewDir(0o755), "/init": image.NewSymlink("bin/hello"),
	} {
		if err := tree.Put(path, n); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func write(t *testing.T, o Options) []byte {
	t.Helper()
	m, err := Layout(t.Context(), tree(t), o, image.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := image.ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// files returns the regular files of an archive.
func files(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			all[h.Name] = data
		}
	}
}

func digest(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

// TestArchive reads an archive as docker load does.
func TestArchive(t *testing.T) {
	archive := write(t, Options{Tag: "example.org:5000/web", Entrypoint: []string{"/init", "now"}, Env: []string{"A=b"}, WorkingDir: "/etc"})
	all := files(t, archive)
	var list []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(all["manifest.json"], &list); err != nil || len(list) != 1 || len(list[0].Layers) != 1 || len(all) != 3 {
		t.Fatalf("%v, %d images, %d files; want one image of one layer in three files", err, len(list), len(all))
	}
	m := list[0]
	if got, want := m.RepoTags[0], "example.org:5000/web:latest"; got != want {
		t.Errorf("RepoTags = %q; want %q", got, want)
	}
	var about struct {
		Architecture, OS, Created string
		Config                    struct {
			Env, Entrypoint []string
			WorkingDir      string
		}
		RootFS struct {
			Type    string
			DiffIDs []string `json:"diff_ids"`
		}
	}
	if err := json.Unmarshal(all[m.Config], &about); err != nil {
		t.Fatal(err)
	}
	if got, want := m.Config, digest(all[m.Config])+".json"; got != want {
		t.Errorf("the configuration is called %s; want its digest, %s", got, want)
	}
	layer := all[m.Layers[0]]
	if got, want := about.RootFS.DiffIDs[0], "sha256:"+digest(layer); got != want || about.RootFS.Type != "layers" {
		t.Errorf("rootfs is %s of %s; want layers of the layer's digest %s", about.RootFS.Type, got, want)
	}
	if about.Architecture != "amd64" || about.OS != "linux" || about.Created != "1970-01-01T00:00:01Z" {
		t.Errorf("it is for %s on %s, made at %s", about.Architecture, about.OS, about.Created)
	}
	if c := about.Config; strings.Join(c.Entrypoint, " ") != "/init now" || c.Env[0] != "A=b" || c.WorkingDir != "/etc" {
		t.Errorf("it runs %q with %q in %s", c.Entrypoint, c.Env, c.WorkingDir)
	}
	if got := string(files(t, layer)["bin/hello"]); got != "#!/bin/sh\necho hello\n" {
		t.Errorf("bin/hello in the layer = %q", got)
	}
	if !bytes.Equal(archive, write(t, Options{Tag: "example.org:5000/web:latest", Entrypoint: []string{"/init", "now"}, Env: []string{"A=b"}, WorkingDir: "/etc"})) {
		t.Error("the same image has other bytes the second time")
	}
}

func TestRefusals(t *testing.T) {
	for _, tag := range []string{"Web", "web:", "web:a b", "/web", "web//a", "web@sha256:00"} {
		if err := (Options{Tag: tag}).Check(); err == nil {
			t.Errorf("Check(%q) = nil; want that it is no name", tag)
		}
	}
	for _, tag := range []string{"", "web", "web:1.2", "a/b/c", "registry.example.org/web:1.2", "localhost:5000/my-web_site", "Example.org/web"} {
		if err := (Options{Tag: tag}).Check(); err != nil {
			t.Errorf("Check(%q) = %v", tag, err)
		}
	}
	for arch, ok := range map[string]bool{"": true, "amd64": true, "arm64": true, "386": true, "aarch64": false, "x86_64": false, "AMD64": false, "foo": false} {
		if err := (Options{Architecture: arch}).Check(); (err == nil) != ok {
			t.Errorf("Check of the architecture %q = %v; want it taken: %v", arch, err, ok)
		}
	}
	if err := (Options{Env: []string{"=x"}}).Check(); err == nil || err.Error() != `a variable "" of the environment is not of the form NAME=VALUE` {
		t.Errorf("Check of an environment = %v", err)
	}
}
