package plan

import (
	"io/fs"
	"path"
	"strings"

	"ingot/image"
)

// standardModes are those of directories of a root that are not 0755, by their paths. Others
// than root look into neither its home nor its keys, and everybody may write to /tmp.
var standardModes = map[string]fs.FileMode{
	"/root":      0o700,
	"/root/.ssh": 0o700,
	"/tmp":       0o777 | fs.ModeSticky,
	"/var/tmp":   0o777 | fs.ModeSticky,
}

// standardDir returns an empty directory with the mode that one of this path has in a root.
func standardDir(name string) *image.Node {
	if mode, ok := standardModes[path.Clean(name)]; ok {
		return image.NewDir(mode)
	}
	return image.NewDir(0o755)
}

// put is [image.Tree.Put] into a tree that is mounted at a path, "" if that is not known: the
// missing directories on the way have the modes that such ones have in a root. It returns their
// paths in the tree.
func put(t *image.Tree, mount, name string, n *image.Node) (made []string, err error) {
	at := ""
	for part := range strings.SplitSeq(strings.Trim(path.Dir(path.Clean(name)), "/"), "/") {
		if at += "/" + part; at == "/" {
			break
		}
		old := t.Lookup(at)
		if old != nil && !old.IsDir() {
			break // which the last Put reports
		}
		if old != nil {
			continue
		}
		dir := image.NewDir(0o755)
		if mount != "" {
			dir = standardDir(path.Join(mount, at))
		}
		if err := t.Put(at, dir); err != nil {
			return made, err
		}
		made = append(made, at)
	}
	return made, t.Put(name, n)
}

// standardise gives the directories of a folder that is to be mounted at a path the modes that
// such ones have in a root.
func standardise(folder *image.Node, mount string) {
	t := &image.Tree{Root: folder}
	for name, mode := range standardModes {
		at, ok := strings.CutPrefix(name, strings.TrimSuffix(mount, "/")+"/")
		if n := t.Lookup("/" + at); ok && n != nil && n.IsDir() {
			n.Mode = fs.ModeDir | mode
		}
	}
}
