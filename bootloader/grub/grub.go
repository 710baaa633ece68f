package grub

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/internal/grammar"
)

// Grub is a GRUB that was found: its programs, its modules and its font, in one folder or in
// several.
type Grub struct {
	parts []part
	named bool // the caller named the folders
}

// part is what one folder has of GRUB. Each may be empty.
type part struct {
	dir     string // that the caller named; empty for the host's
	mkimage string
	modules string // the folder with one folder for each platform
	font    string // unicode.pf2
	locale  string // the folder with one folder for each language
}

// hostPath is where a host's grub-mkimage lies, beside the folders a caller names.
var hostPath = []string{
	"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin",
	"/run/current-system/sw/bin", "/run/current-system/profile/bin",
}

// Find returns the GRUB in dirs: store items or any folders with bin/grub-mkimage and
// lib/grub in them or in their usr. Several may each have a part: nixpkgs builds a GRUB for
// each platform. The modules of a platform are those of the first folder that has them;
// any grub-mkimage makes images for all platforms, so the one beside them is preferred, then
// the first of dirs, then the host's. Without dirs it is the host's GRUB: the first
// grub-mkimage in the folders of path, then in the usual ones; and for platforms that it lacks
// those further on in path.
func Find(dirs, path []string) (*Grub, error) {
	if len(dirs) == 0 {
		return findHosts(path)
	}
	g := &Grub{named: true}
	for _, dir := range dirs {
		p, err := findIn(dir)
		if err != nil {
			return nil, err
		}
		g.parts = append(g.parts, p)
	}
	hasModules := slices.ContainsFunc(g.parts, func(p part) bool { return p.modules != "" })
	hasProgram := slices.ContainsFunc(g.parts, func(p part) bool { return p.mkimage != "" })
	switch {
	case !hasModules && !hasProgram:
		return nil, fmt.Errorf("grub: neither bin/grub-mkimage nor lib/grub is in %s: name a folder or store item that holds all of GRUB (%s)", g, sourcesOf(g.parts, bootloader.BIOS, bootloader.EFI))
	case !hasModules:
		return nil, fmt.Errorf("grub: no lib/grub is in %s: name a folder or store item with GRUB's modules, too (%s)", g, sourcesOf(g.parts, bootloader.BIOS, bootloader.EFI))
	case hasProgram:
		return g, nil
	}
	// The modules of another architecture come without programs that run here.
	host, err := findHost(path)
	if err != nil {
		return nil, fmt.Errorf("grub: no bin/grub-mkimage is in %s, and the host has none: name a folder or store item that has it, too (%s), or install grub-common (Debian)", g, sourcesOf(g.parts, bootloader.BIOS))
	}
	host.modules = "" // of the host's version
	g.parts = append(g.parts, host)
	return g, nil
}

// findHosts returns the host's GRUB. In a Nix build, nixpkgs' packages for BIOS and for UEFI
// stand one after the other in path.
func findHosts(path []string) (*Grub, error) {
	host, err := findHost(path)
	if err != nil {
		return nil, err
	}
	g := &Grub{parts: []part{host}}
	for _, dir := range path {
		mkimage, err := findProgram([]string{dir})
		if err != nil || mkimage == host.mkimage {
			continue
		}
		more := part{mkimage: mkimage}
		more.look(prefixes(mkimage))
		if more.modules != "" {
			g.parts = append(g.parts, more)
		}
	}
	if !slices.ContainsFunc(g.parts, func(p part) bool { return p.modules != "" }) {
		return nil, fmt.Errorf("grub: %s has no lib/grub beside it: install GRUB's modules (in Debian, %s or %s)", host.mkimage, platforms[bootloader.BIOS].pkg, platforms[bootloader.EFI].pkg)
	}
	return g, nil
}

// findHost returns the host's GRUB, which has a grub-mkimage.
func findHost(path []string) (part, error) {
	mkimage, err := findProgram(append(slices.Clone(path), hostPath...))
	if err != nil {
		return part{}, errors.New("grub: grub-mkimage is missing: install grub-common (Debian), or name a GRUB to use")
	}
	p := part{mkimage: mkimage}
	p.look(prefixes(mkimage))
	return p, nil
}

// findIn returns what a folder has.
func findIn(dir string) (part, error) {
	if _, err := os.Stat(dir); err != nil {
		return part{}, fmt.Errorf("grub: %w", err)
	}
	// grub-mkimage runs in another folder than we do.
	abs, err := filepath.Abs(dir)
	if err != nil {
		return part{}, fmt.Errorf("grub: %w", err)
	}
	p := part{dir: abs}
	if p.mkimage, err = findProgram([]string{filepath.Join(abs, "bin"), filepath.Join(abs, "usr/bin")}); err == nil {
		p.look(prefixes(p.mkimage))
	}
	p.look([]string{abs, filepath.Join(abs, "usr")})
	return p, nil
}

// look fills in the modules and the font that are below the first of prefixes.
func (p *part) look(prefixes []string) {
	for _, prefix := range prefixes {
		if lib := filepath.Join(prefix, "lib/grub"); p.modules == "" && isDir(lib) {
			p.modules = lib
		}
		if locale := filepath.Join(prefix, "share/locale"); p.locale == "" && isDir(locale) {
			p.locale = locale
		}
		for _, share := range []string{"share/grub", "share/grub2"} {
			if font := filepath.Join(prefix, share, "unicode.pf2"); p.font == "" && isFile(font) {
				p.font = font
			}
		}
	}
}

// modulesOf returns the folder with the modules of a platform: that of the first part
// that has it, or else where it would be.
func (g *Grub) modulesOf(p bootloader.Platform) string {
	var first string
	for _, at := range g.parts {
		dir := filepath.Join(at.modules, nameOf(p))
		if at.modules != "" && isDir(dir) {
			return dir
		}
		if first == "" && at.modules != "" {
			first = dir
		}
	}
	return first
}

// mkimageFor returns the grub-mkimage for a platform.
func (g *Grub) mkimageFor(p bootloader.Platform) string {
	var first string
	for _, at := range g.parts {
		if at.mkimage == "" {
			continue
		}
		if at.modules != "" && isDir(filepath.Join(at.modules, nameOf(p))) {
			return at.mkimage
		}
		first = cmp.Or(first, at.mkimage)
	}
	return first
}

// font returns the first part's that has one; empty if none has.
func (g *Grub) font() string {
	for _, at := range g.parts {
		if at.font != "" {
			return at.font
		}
	}
	return ""
}

// sourcesOf says where people get GRUB for the platforms: from the packages of whoever made
// the folders, or of all where these do not tell.
func sourcesOf(parts []part, of ...bootloader.Platform) string {
	in := func(store string) bool {
		return slices.ContainsFunc(parts, func(p part) bool {
			real, err := filepath.EvalSymlinks(p.dir)
			return strings.HasPrefix(p.dir, store) || err == nil && strings.HasPrefix(real, store)
		})
	}
	nix, guix := in("/nix/store/"), in("/gnu/store/")
	var debian, nixpkgs, guixes []string
	for _, p := range of {
		debian, nixpkgs, guixes = append(debian, platforms[p].pkg), append(nixpkgs, platforms[p].nixpkgs), append(guixes, platforms[p].guix)
	}
	var all []string
	if !guix {
		all = append(all, "in nixpkgs, "+grammar.Or(nixpkgs...))
	}
	if !nix {
		all = append(all, "in Guix, "+grammar.Or(guixes...))
	}
	if !nix && !guix {
		all = append(all, "in Debian, grub-common with "+grammar.Or(debian...))
	}
	return strings.Join(all, "; ")
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
	path := filepath.Join(g.modulesOf(p), name)
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && g.named && isDir(g.modulesOf(p)):
		return "", fmt.Errorf("grub for %s: %s is missing: name a GRUB that has it (%s)", p, path, sourcesOf(g.parts, p))
	case errors.Is(err, fs.ErrNotExist) && g.named:
		return "", fmt.Errorf("grub for %s: no lib/grub/%s/%s is in %s: name a GRUB that has it, too (%s)", p, nameOf(p), name, g, sourcesOf(g.parts, p))
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

// String returns the folders that the caller named, or the path of the host's grub-mkimage.
func (g *Grub) String() string {
	var dirs []string
	for _, p := range g.parts {
		if p.dir != "" {
			dirs = append(dirs, p.dir)
		}
	}
	if !g.named {
		return g.parts[0].mkimage
	}
	return strings.Join(dirs, ", ")
}
