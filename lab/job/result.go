package job

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ingot/image"
)

// result is the contents of the command's /tmp/xchg, on the way to [Job.Output].
type result struct {
	stage  *image.Staging
	staged *os.File // the folder in it that gets them
	// target is the file that the one result becomes; else all become the folder, or go
	// into it if it is there.
	target, folder string
	there          bool
}

// stagedResult is the name of the results before they have their places.
const stagedResult = "result"

// findResult returns where the results go, and refuses what they must not replace.
func findResult(output string) (r result, dir string, err error) {
	name := strings.TrimRight(output, "/")
	if name == "" {
		name = "/"
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return result{folder: name, there: true}, name, nil
	}
	if name != output {
		if _, err := os.Lstat(name); err == nil {
			return r, "", fmt.Errorf("%s: is there already, and is no folder", name)
		}
		return result{folder: name}, filepath.Dir(name), image.CheckFolder(name)
	}
	target, err := image.Target(name)
	return result{target: target}, filepath.Dir(target), err
}

// checkResult returns why nothing can be written to an output, before a machine is started
// for it. It leaves nothing, and returns the folder that the output lies in.
func checkResult(output string) (os.FileInfo, error) {
	r, dir, err := findResult(output)
	if err != nil {
		return nil, err
	}
	if r.target != "" {
		err = image.Check(output)
	} else if stage, failed := image.NewStaging(dir); failed != nil {
		err = failed
	} else {
		err = stage.Close()
	}
	if err != nil {
		return nil, err
	}
	return os.Stat(dir)
}

// newResult makes the place where results lie until they are whole: on the file system
// of the output, and in the folder that it was to lie in when the command began. A guest
// with that folder, or one above it, could put a link there that leads anywhere.
func newResult(output string, began os.FileInfo) (*result, error) {
	r, dir, err := findResult(output)
	if err != nil {
		return nil, err
	}
	if r.stage, err = image.NewStaging(dir); err != nil {
		return nil, err
	}
	if !r.stage.In(began) {
		err = &OptionError{"output", fmt.Errorf("%s: leads elsewhere than when the command began", output)}
	} else {
		r.staged, err = r.stage.Mkdir(stagedResult)
	}
	if err != nil {
		return nil, errors.Join(err, r.stage.Close())
	}
	return &r, nil
}

// put gives the results their places. before are the names of what the command found in
// /tmp/xchg, which is no result of its own.
func (r *result) put(before map[string]bool) error {
	staged := r.stage.Path(stagedResult)
	switch {
	case r.target != "":
		name, err := singleFile(staged, before)
		if err != nil {
			return err
		}
		return r.replace(name, r.target)
	case !r.there:
		return r.stage.Move(stagedResult, r.folder)
	}
	entries, err := os.ReadDir(staged)
	if err != nil {
		return err
	}
	// All are looked at before the first gets its place.
	for _, e := range entries {
		if err := r.mayPut(e); err != nil {
			return err
		}
	}
	for _, e := range entries {
		to := filepath.Join(r.folder, e.Name())
		if e.Type().IsRegular() {
			err = r.replace(e.Name(), to)
		} else {
			err = r.stage.Move(filepath.Join(stagedResult, e.Name()), to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mayPut refuses a result that would replace anything but a file by a file: the guest has
// chosen the name, so that no link is followed, either.
func (r *result) mayPut(e fs.DirEntry) error {
	to := filepath.Join(r.folder, e.Name())
	old, err := os.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err := image.Target(to)
		return err
	case err != nil:
		return err
	case !old.Mode().IsRegular() || !e.Type().IsRegular():
		return &OptionError{"output", fmt.Errorf("%s: is %s, and the result is %s; only a regular file is replaced, by another one", to, image.Kind(old.Mode()), image.Kind(e.Type()))}
	}
	return nil
}

// replace puts a file of the results under a name, as all outputs are.
func (r *result) replace(name, target string) error {
	out, err := r.stage.Adopt(filepath.Join(stagedResult, name), target)
	if err != nil {
		return err
	}
	return out.Commit()
}

// singleFile returns the name of the one regular file that the command has left.
func singleFile(dir string, before map[string]bool) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var files, others []string
	for _, entry := range entries {
		switch {
		case before[entry.Name()]:
		case entry.Type().IsRegular():
			files = append(files, entry.Name())
		default:
			others = append(others, entry.Name()+"/")
		}
	}
	if len(files) == 1 {
		return files[0], nil
	}
	found := "nothing"
	if all := append(files, others...); len(all) > 0 {
		found = strings.Join(all, ", ")
	}
	return "", &OptionError{"output", fmt.Errorf("did not find a single result file: the command left %d regular files in %s (%s); a name that ends in / takes all", len(files), guestXchg, found)}
}
