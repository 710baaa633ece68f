package docker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"ingot/image"
	"ingot/image/tar"
)

// Options say what an image is called and what it runs. The zero value is an image for
// x86-64 without a name, which runs what docker run says.
type Options struct {
	Tag          string // such as "web" or "registry.example.org/web:1.2"; :latest if it has none
	Architecture string // by Go's name; amd64 if it is empty
	Entrypoint   []string
	Env          []string // NAME=VALUE
	WorkingDir   string
	// MaxSize is how many bytes the layer may have, as [tar.Options.MaxSize].
	MaxSize int64
	// LeftOut is called for what the layer cannot hold, as [tar.Options.LeftOut].
	LeftOut func(path string, why error)
}

// created is when all images were made.
const created = "1970-01-01T00:00:01Z"

// architectures are those of Linux that images can be for, as the image specification of OCI
// has them from Go's GOARCH.
var architectures = []string{"386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x"}

// reference is what images may be called: docker refuses others.
var reference = sync.OnceValue(func() *regexp.Regexp {
	const part = `[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`
	return regexp.MustCompile(`^(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?` + part + `(?:/` + part + `)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$`)
})

// Check says whether an image can have these options.
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

// Layout returns the archive of an image whose files are those of the tree. It reads them,
// to know their digest; Progress of the options then adds up to the size of the layer.
func Layout(ctx context.Context, t *image.Tree, o Options, w image.WriteOptions) (*image.Map, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	layer, err := tar.Layout(t, tar.Options{MaxSize: o.MaxSize, LeftOut: o.LeftOut})
	if err != nil {
		return nil, err
	}
	sum, err := image.SHA256(ctx, layer, w)
	if err != nil {
		return nil, err
	}
	return assemble(o, layer, hex.EncodeToString(sum[:]))
}

// assemble puts an archive together of a layer and its digest.
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
	for _, f := range []struct {
		path string
		data image.Blob
	}{{manifestName, image.Bytes(list)}, {"/" + m.Config, image.Bytes(about)}, {"/" + m.Layers[0], layer}} {
		if err := files.Put(f.path, image.NewFile(0o444, f.data)); err != nil {
			return nil, err
		}
	}
	return tar.Layout(files, tar.Options{})
}

// withVersion returns a name with the version that docker gives to one without.
func withVersion(tag string) string {
	if strings.Contains(tag[strings.LastIndex(tag, "/")+1:], ":") {
		return tag
	}
	return tag + ":latest"
}
