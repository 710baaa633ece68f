package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/initramfs"
	"ingot/bootloader/system"
	"ingot/image"
	"ingot/internal/grammar"
	"ingot/internal/input"
	"ingot/internal/printable"
	"ingot/recipes"
)

// NixOS keeps the secrets of an initial RAM disk out of the store: when it installs a boot
// loader, the program append-initrd-secrets packs them into an archive of its own, which GRUB
// loads behind the system's (install-grub.pl). ingot executes nothing of a system, so it makes
// that archive itself.

// mostSecret limits a secret of the initial RAM disk, in case the file is the wrong one.
const mostSecret = 1 << 20

// readSecrets reads the recipe's secrets of the initial RAM disk.
func (p *planner) readSecrets(ctx context.Context, h Host) error {
	p.secrets, p.used = map[string]image.Blob{}, map[string]bool{}
	if p.System == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(p.System.InitrdSecrets)) {
		data, err := readSecret(ctx, h, p.System.InitrdSecrets[name])
		if err == nil && len(data) == 0 {
			err = errors.New("it is empty")
		}
		if err != nil {
			return p.At(recipes.SecretKey(name), fmt.Errorf("secret %s: %w", printable.Name(name), err))
		}
		p.secrets[name] = image.Bytes(data)
	}
	return nil
}

func readSecret(ctx context.Context, h Host, s recipes.Secret) ([]byte, error) {
	if s.Environment == "" {
		return input.ReadFile(ctx, s.File.Host, mostSecret)
	}
	if h.Getenv != nil {
		if text, set := h.Getenv(s.Environment); set {
			return []byte(text), nil
		}
	}
	return nil, fmt.Errorf("the variable %s, which has the secret, is not set", s.Environment)
}

// addSecrets adds the archive with the secrets that a system wants to its entry. Where that
// takes a secret which the recipe does not give, a warning says so.
func (p *planner) addSecrets(at int, s *system.System, e *bootloader.Entry) error {
	if s.Secrets == "" {
		return nil
	}
	wants := s.SecretFiles
	if len(wants) == 0 { // its program is of another form
		for _, name := range slices.Sorted(maps.Keys(p.secrets)) {
			wants = append(wants, system.SecretFile{Path: name, InItem: path.Join(".initrd-secrets", name)})
		}
	}
	archive, missing := image.NewTree(), []string{}
	for _, w := range wants {
		data, ok := p.secrets[w.Path]
		if !ok {
			missing = append(missing, fmt.Sprintf("%s (%s on the machine that has the configuration)", printable.Name(w.Path), printable.Name(w.Source)))
			continue
		}
		p.used[w.Path] = true
		if err := archive.Put("/"+w.InItem, image.NewFile(0o600, data)); err != nil {
			return fmt.Errorf("initrd secrets: %w", err)
		}
	}
	switch {
	case len(wants) == 0:
		p.lackSecrets("which ones is unknown", s.Path)
	case len(missing) > 0:
		p.lackSecrets(strings.Join(missing, ", "), s.Path)
	}
	if len(archive.Root.Entries()) == 0 {
		return nil
	}
	return p.addArchive(at, s, e, archive)
}

// addArchive puts the archive where install-grub.pl has it, under its name, for root alone.
func (p *planner) addArchive(at int, s *system.System, e *bootloader.Entry, archive *image.Tree) error {
	data, err := initramfs.Pack(archive, initramfs.None)
	if err != nil {
		return err
	}
	name := path.Join(p.bootFolder(at), "kernels", path.Base(s.Path)+"-secrets")
	if p.trees[at].Lookup(name) == nil {
		if err := p.trees[at].Put(name, image.NewFile(0o600, data)); err != nil {
			return fmt.Errorf("initrd secrets: %w", err)
		}
	}
	e.Initrd = append(e.Initrd, name)
	if p.out.Secret == "" {
		p.out.Secret = fmt.Sprintf("%s, the secrets of an initial RAM disk", name)
	}
	return nil
}

// lackSecrets remembers that a system lacks secrets: generations and specialisations mostly want
// the same, and one warning is enough.
func (p *planner) lackSecrets(which, toplevel string) {
	if p.lacking == nil {
		p.lacking = map[string][]string{}
	}
	if !slices.Contains(p.lacking[which], toplevel) {
		p.lacking[which] = append(p.lacking[which], toplevel)
	}
}

// checkSecrets warns of secrets that systems lack, and refuses those that no system of the menu
// wants.
func (p *planner) checkSecrets() error {
	for _, which := range slices.Sorted(maps.Keys(p.lacking)) {
		of, want := p.lacking[which][0], "wants"
		if more := len(p.lacking[which]) - 1; more > 0 {
			of, want = fmt.Sprintf("%s and %s", of, grammar.Count(more, "other system")), "want"
		}
		p.warn("%s %s secrets in the initial RAM disk that the recipe does not give (system.initrd-secrets), and the image lacks them: %s", of, want, which)
	}
	for _, name := range slices.Sorted(maps.Keys(p.secrets)) {
		if p.used[name] {
			continue
		}
		var wanted []string
		for _, s := range p.allSystems() {
			for _, w := range s.SecretFiles {
				wanted = append(wanted, printable.Name(w.Path))
			}
		}
		if len(wanted) == 0 {
			return p.At(recipes.SecretKey(name), errors.New("the system has no secrets in its initial RAM disk (boot.initrd.secrets): leave it out"))
		}
		return p.Errorf(recipes.SecretKey(name), "the system wants no such secret in its initial RAM disk, but %s", strings.Join(slices.Compact(slices.Sorted(slices.Values(wanted))), ", "))
	}
	return nil
}

// allSystems are those that were read, with their specialisations.
func (p *planner) allSystems() []*system.System {
	var all []*system.System
	for _, name := range slices.Sorted(maps.Keys(p.systems)) {
		all = append(all, p.systems[name])
		for _, sp := range p.systems[name].Specialisations {
			all = append(all, sp.System)
		}
	}
	return all
}
