package tools

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Package is one whose files were taken.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// dpkg is the database of a machine's packages: deb-control(5), dpkg-query(1).
type dpkg struct {
	root     string
	packages map[string]*record // by name, and by name:architecture
	owners   map[string]*record // of files; read at the first request
}

// record is the database's entry of a package.
type record struct {
	Package
	arch      string
	conffiles map[string]string // path to MD5
}

const (
	statusFile = "var/lib/dpkg/status"
	infoDir    = "var/lib/dpkg/info"
)

// openDpkg reads what is installed. A machine without dpkg has nothing.
func openDpkg(root string) (*dpkg, error) {
	d := &dpkg{root: root, packages: map[string]*record{}}
	data, err := os.ReadFile(filepath.Join(root, statusFile))
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	for stanza := range bytes.SplitSeq(data, []byte("\n\n")) {
		r, installed := parseStanza(stanza)
		if !installed {
			continue
		}
		d.packages[r.Name+":"+r.arch] = r
		if d.packages[r.Name] == nil || d.listFile(r) != "" {
			d.packages[r.Name] = r
		}
	}
	return d, nil
}

// find returns a package of an architecture, or one that suits all; nil if there is none.
func (d *dpkg) find(name, arch string) *record {
	if arch == "" {
		return d.packages[name]
	}
	if r := d.packages[name+":"+arch]; r != nil {
		return r
	}
	return d.packages[name+":all"]
}

// parseStanza reads the fields of a package.
func parseStanza(text []byte) (r *record, installed bool) {
	r = &record{conffiles: map[string]string{}}
	field := ""
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, " ") {
			name, value, _ := strings.Cut(line, ":")
			field, line = name, strings.TrimSpace(value)
		}
		switch field {
		case "Package":
			r.Name = line
		case "Version":
			r.Version = line
		case "Architecture":
			r.arch = line
		case "Status":
			installed = strings.HasSuffix(line, " installed")
		case "Conffiles":
			if f := strings.Fields(line); len(f) >= 2 {
				r.conffiles[f[0]] = f[1]
			}
		}
	}
	return r, installed && r.Name != ""
}

// listFile returns where the files of a package are listed.
func (d *dpkg) listFile(r *record) string {
	for _, name := range []string{r.Name + ":" + r.arch, r.Name} {
		path := filepath.Join(d.root, infoDir, name+".list")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// files returns what a package lists, folders included.
func (d *dpkg) files(r *record) ([]string, error) {
	path := d.listFile(r)
	if path == "" {
		return nil, fmt.Errorf("package %s has no list of its files in %s", r.Name, filepath.Join(d.root, infoDir))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n"), nil
}

// owner returns the package that a file belongs to, or nil. The lists are read once.
func (d *dpkg) owner(path string) *record {
	if d.owners == nil {
		d.owners = map[string]*record{}
		for key, r := range d.packages {
			if !strings.Contains(key, ":") {
				continue
			}
			files, err := d.files(r)
			if err != nil {
				continue // one that has no files, or none that could be a library
			}
			for _, f := range files {
				if strings.Contains(f, ".so") || strings.Contains(f, "bin/") {
					d.owners[merged(f)] = r
				}
			}
		}
	}
	return d.owners[merged(path)]
}

// merged returns a path as it is where /bin, /sbin and /lib are parts of /usr, without
// the slash before it. No .. leads out of the root.
func merged(path string) string {
	path = strings.TrimPrefix(filepath.Join("/", path), "/")
	first, _, _ := strings.Cut(path, "/")
	switch first {
	case "bin", "sbin", "lib", "lib32", "lib64", "libx32":
		return "usr/" + path
	}
	return path
}
