package guest

import (
	"slices"
	"strings"
	"testing"
)

// FuzzCmdline reads the kernel's command line, and from it all that ingot's init goes by.
func FuzzCmdline(f *testing.F) {
	for _, s := range []string{
		`console=tty0 console=ttyS0,115200 root="LABEL=a b" ro rootwait=5 -- -s x`,
		"ingot.store=virtiofs:nix ingot.store.flavour=guix ingot.store.writable ingot.run=/x ingot.arg=a%20b ingot.env=A%3Db",
		"ingot.live=/root.squashfs findiso=/a.iso copytoram realroot=tmpfs netroot=h=f rootflags=ro,noatime,x-a,subvol=b",
		"tvix.shell snix.find init=/nix/store/x/init systemConfig=/x panic=5 ip=dhcp rootwait",
		`a"b c"d "" ingot.run`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := parseCmdline(text)
		for _, w := range c {
			if strings.Contains(w, `"`) {
				t.Errorf("a quote stays in %q", w)
			}
		}
		consoles := c.consoles()
		for i, name := range consoles {
			if name == "" || slices.Contains(consoles[:i], name) {
				t.Errorf("consoles are %q", consoles)
			}
		}
		if limit, err := waitLimit(c); err == nil && limit < -1 {
			t.Errorf("the root is waited for during %v", limit)
		}
		task, value := c.storeTask()
		if task == "" && value != "" {
			t.Errorf("nothing is done with %q", value)
		}
		if s, err := c.store(); err != nil && s != nil {
			t.Errorf("%+v and %v", s, err)
		}
		if argv, _, err := c.program("/x"); err == nil && argv[0] != "/x" {
			t.Errorf("%q is run in place of /x", argv)
		}
		if l := c.live(); !l.none() && !c.hasRoot() && l.image+l.iso+l.netroot != "" {
			t.Errorf("%+v is no root", l)
		}
	})
}
