package plan

import (
	"fmt"
	"os"
	"path"
	"strings"

	"ingot/image"
)

// The permissions that a new image, or the folder of one, begins with that holds a secret.
const (
	privateMode   = 0o600
	privateFolder = 0o700
)

// authorizedKeys is the name of a file that sshd wants to be its owner's, and that holds
// public keys.
const authorizedKeys = "authorized_keys"

// takesSecret remembers that the image holds a file of the host that only its owner may
// read there, and of which the recipe does not say who may.
func (p *planner) takesSecret(file string) {
	if p.out.Secret == "" {
		p.out.Secret = fmt.Sprintf("%s, which only its owner may read", file)
	}
}

// findSecret returns what in an image not everybody may know, "" if that is nothing: a
// file that only its owner may read on the host, or only its owner or a group in the
// image; and what is made of a secret that the recipe takes. What is in the store is for
// all to read.
func (p *planner) findSecret() string {
	secret := p.out.Secret
	for i, t := range p.trees {
		if t == nil {
			continue
		}
		store := p.storeFolder(i)
		_ = t.Walk(func(name string, n *image.Node) error { // it fails nowhere
			hidden := n.Mode.IsRegular() && n.Mode.Perm()&0o004 == 0 && n.Size() > 0
			if secret == "" && hidden && !strings.HasPrefix(name, store) && path.Base(name) != authorizedKeys {
				secret = fmt.Sprintf("%s, which not everybody may read there", name)
			}
			return nil
		})
	}
	if secret != "" {
		return secret
	}
	for i := range p.Disk.Partitions {
		part := &p.Disk.Partitions[i]
		if part.Passphrase != nil {
			return fmt.Sprintf("partition %s, which a passphrase opens", part.Name)
		}
		if part.Source != nil && ownersAlone(part.Source.From.Host) {
			return fmt.Sprintf("the bytes of %s, which only its owner may read", part.Source)
		}
	}
	for i := range p.Disk.Raw {
		if source := &p.Disk.Raw[i].Source; ownersAlone(source.From.Host) {
			return fmt.Sprintf("the bytes of %s, which only its owner may read", source)
		}
	}
	for _, s := range p.Steps {
		if len(s.Secrets) > 0 {
			return fmt.Sprintf("what step %q has made of its secrets", s.Name)
		}
	}
	return ""
}

// ownersAlone reports whether only its owner may read a file of the host.
func ownersAlone(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o044 == 0
}
