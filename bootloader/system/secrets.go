package system

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"ingot/bootloader"
)

// secretsFolder is where NixOS's archives have their secrets, for stage 1 to copy to their
// places. Before 2022 they had them at these places at once.
const secretsFolder = ".initrd-secrets"

// readSecrets finds the program that adds the secrets of the initial RAM disk, and reads in its
// text which ones it adds (nixos/modules/system/boot/stage-1.nix, initialRamdiskSecretAppender).
func (s *System) readSecrets(look bootloader.Lookup) error {
	program := s.in("append-initrd-secrets")
	if s.doc.known {
		// The document names it exactly if there are secrets (bootspec.nix); the toplevel links
		// to it in any case (kernel.nix).
		if program = s.doc.InitrdSecrets; program == "" {
			return nil
		}
		s.Secrets = program
	}
	text, err := look.Text(program)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.Secrets == "":
		return nil
	case err != nil:
		return fmt.Errorf("append-initrd-secrets: %w", err)
	case s.Secrets == "" && !addsSecrets(text):
		return nil
	}
	s.Secrets, s.SecretFiles = program, secretFiles(text)
	return nil
}

// addsSecrets reports whether a script append-initrd-secrets adds any: without secrets, the
// line "exit 0" stands in it before the work.
func addsSecrets(script string) bool {
	nested := false
	for line := range strings.Lines(script) {
		switch line = strings.TrimSpace(line); {
		case line == "fi":
			nested = false
		case strings.HasPrefix(line, "if "):
			nested = true
		case line == "exit 0" && !nested:
			return false
		}
	}
	return true
}

// secretFiles reads the lines that copy a secret into the archive:
//
//	cp -a SOURCE "$tmp/.initrd-secrets/PATH"
func secretFiles(script string) []SecretFile {
	var files []SecretFile
	for line := range strings.Lines(script) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "cp -a ")
		source, to, found := strings.Cut(rest, ` "$tmp/`)
		to, closed := strings.CutSuffix(to, `"`)
		if !ok || !found || !closed {
			continue
		}
		in := strings.TrimPrefix(path.Clean("/"+to), "/")
		named := strings.TrimPrefix(strings.TrimPrefix(in, secretsFolder), "/")
		if named != "" && len(files) < maxMounts {
			files = append(files, SecretFile{Path: "/" + named, Source: source, InItem: in})
		}
	}
	return files
}
