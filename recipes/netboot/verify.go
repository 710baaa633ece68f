package netboot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/internal/grammar"
	"ingot/recipes/manifest"
	"ingot/recipes/signature"
)

// Verified is the result of checking the signatures in a netboot folder.
type Verified struct {
	Recipe string   // the name in the manifest
	Good   []string // the names of the files with a good signature
	ECDSA  bool     // a signature takes an iPXE of 2.0 or later
}

// Verify checks a netboot folder by the signatures in it, as v decides.
// Every file must have a signature beside it, and the signed manifest must list every file
// by its name and its digest: a signature without that is as good for any other name. It
// returns one error for each file without a good signature, and for each that is missing.
//
// A folder that is older than the one that it was put in place of passes: all that is in
// it was signed.
func Verify(ctx context.Context, dir string, v signature.Verifier) (Verified, []error) {
	f := verification{dir: dir, verifier: v}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return f.Verified, []error{err}
	}
	f.readManifest()
	for _, e := range entries {
		name := e.Name()
		if of, ok := strings.CutSuffix(name, SignatureSuffix); ok {
			if _, err := os.Lstat(path.Join(dir, of)); err != nil {
				f.fail(name, errors.New("the file that it is the signature of is missing"))
			}
			continue
		}
		if err := f.verify(ctx, name); err != nil {
			f.fail(name, err)
			continue
		}
		f.Good = append(f.Good, name)
	}
	if f.manifest != nil {
		for _, file := range f.manifest.Files {
			if !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == file.Name }) {
				f.fail(file.Name, errors.New("is missing, and the manifest lists it"))
			}
		}
	}
	return f.Verified, f.bad
}

type verification struct {
	Verified
	dir      string
	verifier signature.Verifier
	manifest *manifest.Manifest // nil if there is none that counts
	bad      []error
}

func (f *verification) fail(name string, err error) {
	f.bad = append(f.bad, fmt.Errorf("%s: %w", path.Join(f.dir, name), err))
}

// The most that is read of a manifest and of a signature: with its certificates, that has
// a few KiB, and so has the manifest of six files.
const (
	mostManifest  = 1 << 20
	mostSignature = 1 << 20
)

// readManifest reads the manifest, where its signature is good. Where it is not, the
// manifest is found again among the files, and said to be bad there.
func (f *verification) readManifest() {
	data, err := readWhole(path.Join(f.dir, ManifestFile), mostManifest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.bad = append(f.bad, fmt.Errorf("%s: has no %s, which binds the signatures to names: whatever was signed could be under any name", f.dir, ManifestFile))
		return
	case err != nil || f.verifySignature(ManifestFile, strings.NewReader(string(data))) != nil:
		return
	}
	var m manifest.Manifest
	if err := json.Unmarshal(data, &m); err != nil || m.Format != "netboot" {
		f.fail(ManifestFile, errors.New("is no manifest of a netboot folder"))
		return
	}
	f.manifest, f.Recipe = &m, m.Recipe
}

// verify returns why a file is not to be trusted, or nil.
func (f *verification) verify(ctx context.Context, name string) error {
	file, err := openRegular(path.Join(f.dir, name))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := f.verifySignature(name, file); err != nil {
		return err
	}
	if name == ManifestFile || f.manifest == nil {
		return nil
	}
	at := slices.IndexFunc(f.manifest.Files, func(m manifest.File) bool { return m.Name == name })
	if at < 0 {
		return errors.New("is signed, and the manifest does not list it")
	}
	want := f.manifest.Files[at].Range
	st, err := file.Stat()
	if err != nil {
		return err
	}
	pieces, err := image.HashPiecesOf(ctx, file, st.Size(), image.WriteOptions{})
	if err != nil {
		return err
	}
	if got := manifest.RangeOf(st.Size(), pieces.Digest()); got != want {
		return fmt.Errorf("is signed, and is not what the manifest lists under that name: it has %s and the digest %s; want %d and %s",
			grammar.Count(got.Size, "byte"), got.Digest, want.Size, want.Digest)
	}
	return nil
}

// verifySignature checks the bytes of a file by the signature beside it.
func (f *verification) verifySignature(name string, r io.Reader) error {
	der, err := readWhole(path.Join(f.dir, name+SignatureSuffix), mostSignature)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("has no signature beside it: %w", err)
	}
	if err != nil {
		return fmt.Errorf("its signature: %w", err)
	}
	ecdsa, err := f.verifier.Verify(r, der)
	f.ECDSA = f.ECDSA || ecdsa
	return err
}

// openRegular opens a regular file, and nothing else: neither what a symbolic link names
// nor a FIFO, whose other end may never be opened.
func openRegular(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, errors.New("is a symbolic link, which no signature can cover")
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("is %s, which no signature can cover", image.Kind(st.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readWhole returns the bytes of a regular file of up to most of them.
func readWhole(name string, most int64) ([]byte, error) {
	f, err := openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("has more than %d bytes", most)
	}
	return data, err
}
