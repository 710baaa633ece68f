package recipes

import (
	"fmt"
	"reflect"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"ingot/guest/network"
	"ingot/guest/ssh"
)

func (s *System) check(d *decoder) {
	if s.Path != "" {
		d.refuse(s, "system", keysOf(reflect.TypeFor[System]())[1:], "is for systems that ingot makes; %s brings its own", s.Path)
	}
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

func (h Hooks) check(d *decoder) {
	for _, hook := range []struct{ key, script string }{{"pre-mount", h.PreMount}, {"post-boot", h.PostBoot}} {
		if _, err := syntax.NewParser().Parse(strings.NewReader(hook.script), ""); err != nil {
			d.fail("system.hooks."+hook.key, "is no script: %v", err)
		}
	}
}
