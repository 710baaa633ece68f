package recipes

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"ingot/guest/network"
	"ingot/guest/ssh"
	"ingot/internal/printable"
)

func (s *System) check(d *decoder) {
	if s.Path != "" {
		own := slices.DeleteFunc(keysOf(reflect.TypeFor[System]()), func(key string) bool { return key == "path" || key == secretsKey })
		d.refuse(s, "system", own, "is for systems that ingot makes; %s brings its own", s.Path)
	} else {
		d.refuse(s, "system", []string{secretsKey}, "is for a NixOS system, which path names")
	}
	s.checkSecrets(d)
	if s.Network != "" {
		_, err := network.ParseSettings(s.Network)
		d.check("system.network", err)
	}
	s.Hooks.check(d)
	if s.SSH == nil {
		return
	}
	for i, key := range s.SSH.Keys {
		_, err := ssh.ParseKey(key)
		d.check(fmt.Sprintf("system.ssh.keys[%d]", i), err)
	}
}

// secretsKey is the key of a system's secrets.
const secretsKey = "initrd-secrets"

// checkSecrets finds the mistakes in the secrets of the initial RAM disk.
func (s *System) checkSecrets(d *decoder) {
	for _, name := range slices.Sorted(maps.Keys(s.InitrdSecrets)) {
		key := SecretKey(name)
		if !path.IsAbs(name) || path.Clean(name) != name || name == "/" || strings.ContainsAny(name, "\x00\n") {
			d.fail(key, "%s is not an absolute path without . and ..", printable.Quote(name))
		}
		secret := s.InitrdSecrets[name]
		d.check(key, secret.check())
	}
}

// SecretKey is the key of a secret of the initial RAM disk, by its path there.
func SecretKey(name string) string { return "system." + secretsKey + "." + name }

func (h Hooks) check(d *decoder) {
	for _, hook := range []struct{ key, script string }{{"pre-mount", h.PreMount}, {"post-boot", h.PostBoot}} {
		if _, err := syntax.NewParser().Parse(strings.NewReader(hook.script), ""); err != nil {
			d.fail("system.hooks."+hook.key, "is no script: %v", err)
		}
	}
}
