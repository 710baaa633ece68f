package grub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"ingot/bootloader"
)

// Grub is a GRUB that was found: its grub-mkimage, its modules and its font.
type Grub struct {
	mkimage string
	modules string // the folder with one folder for each platform
	font    string // unicode.pf2; empty if there is none
}

// hostPath is where a host's grub-mkimage lies, beside the folders a caller names.
var hostPath = []string{
	"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin",
	"/run/current-system/sw/bin", "/run/current-system/profile/bin",
}

// Find returns the GRUB in dir, a store item or any folder with bin/grub-mkimage and
// lib/grub in it or in its usr; with lib/grub alone the host's grub-mkimage is used. Where
// dir is empty it is the host's GRUB: the first grub-mkimage in the folders of path,
// then in the usual ones.
func Find(dir string, path []string) (*Grub, error) {
	var bins []string
	if dir == "" {
		bins = append(slices.Clone(path), hostPath...)
	} else {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("grub: %w", err)
		}
		// grub-mkimage runs in another folder than we do.
		abs, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("grub: %w", err)
		}
		bins = []string{filepath.Join(abs, "bin"), filepath.Join(abs, "usr/bin")}
	}
	mkimage, err := findProgram(bins)
	if err != nil && dir != "" {
		// The modules of another architecture come without programs that run here, and
		// any grub-mkimage makes images of all of them.
		for _, lib := range []string{filepath.Join(dir, "lib/grub"), filepath.Join(dir, "usr/lib/grub")} {
			if lists, _ := filepath.Glob(filepath.Join(lib, "*/moddep.lst")); len(lists) > 0 {
				host, err := Find("", path)
				if err == nil {
					host.modules, err = filepath.Abs(lib)
				}
				return host, err
			}
		}
	}
	if err != nil {
		if dir != "" {
			return nil, fmt.Errorf("grub: %s has no bin/grub-mkimage: name a folder or store item that holds all of GRUB (in Debian, grub-common and grub-pc-bin or grub-efi-amd64-bin)", dir)
		}
		return nil, errors.New("grub: grub-mkimage is missing: install grub-common (Debian), or name a GRUB to use")
	}
	g := &Grub{mkimage: mkimage}
	for _, prefix := range prefixes(mkimage) {
		if lib := filepath.Join(prefix, "lib/grub"); g.modules == "" && isDir(lib) {
			g.modules = lib
		}
		for _, share := range []string{"share/grub", "share/grub2"} {
			if font := filepath.Join(prefix, share, "unicode.pf2"); g.font == "" && isFile(font) {
				g.font = font
			}
		}
	}
	if g.modules == "" {
		return nil, fmt.Errorf("grub: %s has no lib/grub beside it: install GRUB's modules (in Debian, %s or %s)", mkimage, platforms[bootloader.BIOS].pkg, platforms[bootloader.EFI].pkg)
	}
	return g, nil
}

func findProgram(dirs []string) (string, error) {
	for _, d := range dirs {
		for _, name := range []string{"grub-mkimage", "grub2-mkimage"} {
			// With a slash in its argument LookPath reads no PATH.
			if p, err := exec.LookPath(filepath.Join(d, name)); err == nil && filepath.IsAbs(d) {
				return p, nil
			}
		}
	}
	return "", exec.ErrNotFound
}

// prefixes returns the folders above bin in which lib and share lie: that of the path, and that
// of its target, since a profile's bin is full of links into a store.
func prefixes(program string) []string {
	out := []string{filepath.Dir(filepath.Dir(program))}
	if real, err := filepath.EvalSymlinks(program); err == nil {
		out = append(out, filepath.Dir(filepath.Dir(real)))
	}
	if out[0] == "/" {
		out = append(out, "/usr") // /bin may be a link to /usr/bin
	}
	return out
}

func isDir(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.IsDir()
}

func isFile(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.Mode().IsRegular()
}

// file returns the path of one of a platform's files.
func (g *Grub) file(p bootloader.Platform, name string) (string, error) {
	path := filepath.Join(g.modules, nameOf(p), name)
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("grub for %s: %s is missing: install %s (Debian), or name a GRUB that has it", p, path, platforms[p].pkg)
	case err != nil:
		return "", fmt.Errorf("grub for %s: %w", p, err)
	case !st.Mode().IsRegular():
		return "", fmt.Errorf("grub for %s: %s is not a regular file", p, path)
	}
	return path, nil
}

// read returns the contents of one of a platform's files.
func (g *Grub) read(p bootloader.Platform, name string) ([]byte, error) {
	path, err := g.file(p, name)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("grub for %s: %w", p, err)
	}
	return b, nil
}

// String returns the path of its grub-mkimage.
func (g *Grub) String() string { return g.mkimage }
