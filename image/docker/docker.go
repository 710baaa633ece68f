package docker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ingot/image"
	"ingot/image/tar"
	"ingot/internal/lazy"
)

// Options describe an image. The zero value is an image for x86-64 without a name and without
// an entry point.
type Options struct {
	tar.Options        // of the layer
	Tag         string // such as "web" or "registry.example.org/web:1.2"; default version: latest
	// Architecture has Go's name. Default: amd64.
	Architecture string
	Entrypoint   []string
	Env          []string // NAME=VALUE
	WorkingDir   string
}

// created is the date of all images.
const created = "1970-01-01T00:00:01Z"

// architectures are the values of GOARCH for Linux, which the image specification of OCI uses.
var architectures = []string{"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x"}

// reference matches the names that docker allows; namePart is the text between slashes.
const namePart = `[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`

var reference = lazy.Regexp(`^(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?` + namePart + `(?:/` + namePart + `)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$`)

// Check refuses options that no image can have.
func (o Options) Check() error {
	if o.Tag != "" && !reference().MatchString(o.Tag) {
		return fmt.Errorf("%q is not the name of an image: write one such as web or registry.example.org/web:1.2, in lower case", o.Tag)
	}
	if a := o.Architecture; a != "" && !slices.Contains(architectures, a) {
		return fmt.Errorf("%q is not an architecture of images: known are %s, as Go names them", a, strings.Join(architectures, ", "))
	}
	for _, e := range o.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" { // its value may be secret
			return fmt.Errorf("a variable %.100q of the environment is not of the form NAME=VALUE", name)
		}
	}
	return nil
}

// Layout returns the archive of an image with the files of the tree. It reads them for the
// digest of the layer; Progress of the options adds up to the size of the layer.
func Layout(ctx context.Context, t *image.Tree, o Options, w image.WriteOptions) (*image.Map, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	layer, err := tar.Layout(t, o.Options)
	if err != nil {
		return nil, err
	}
	sum, err := image.SHA256(ctx, layer, w)
	if err != nil {
		return nil, err
	}
	return assemble(o, layer, hex.EncodeToString(sum[:]))
}

// assemble returns the archive of a layer with the given digest.
func assemble(o Options, layer *image.Map, id string) (*image.Map, error) {
	about, err := json.Marshal(config{
		Architecture: cmp.Or(o.Architecture, "amd64"), OS: "linux", Created: created,
		Config:  execution{Env: o.Env, Entrypoint: o.Entrypoint, WorkingDir: o.WorkingDir},
		History: []history{{created, "ingot"}},
		RootFS:  rootFS{[]string{"sha256:" + id}, "layers"},
	})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(about)
	m := manifest{Config: hex.EncodeToString(sum[:]) + ".json", RepoTags: []string{}, Layers: []string{id + "/layer.tar"}}
	if o.Tag != "" {
		m.RepoTags = append(m.RepoTags, withVersion(o.Tag))
	}
	list, err := json.Marshal([]manifest{m})
	if err != nil {
		return nil, err
	}
	files := image.NewTree()
	for path, data := range map[string]image.Blob{manifestName: image.Bytes(list), "/" + m.Config: image.Bytes(about), "/" + m.Layers[0]: layer} {
		if err := files.Put(path, image.NewFile(0o444, data)); err != nil {
			return nil, err
		}
	}
	return tar.Layout(files, tar.Options{})
}

// withVersion returns a name with its version, by default the one that docker assumes.
func withVersion(tag string) string {
	if strings.Contains(tag[strings.LastIndex(tag, "/")+1:], ":") {
		return tag
	}
	return tag + ":latest"
}
