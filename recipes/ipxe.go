package recipes

import (
	"fmt"
	"strings"

	"ingot/bootloader"
)

// netStore is the name that a NixOS system's initial RAM disk looks for, beside itself.
const netStore = storeImage

// script returns the iPXE script: a menu whose first line boots, by itself after the
// menu's timeout. With signatures nothing runs that is not verified.
func (p *planner) script(menu bootloader.Menu, entry bootloader.Entry, line string) (string, error) {
	if err := checkIPXE("kernel arguments", line); err != nil {
		return "", err
	}
	if err := checkIPXE("title", entry.Title); err != nil {
		return "", err
	}
	inside := p.rootImage()
	if !p.packsRoot() {
		inside = netStore
	}
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	signed := p.signer != nil
	shell := !signed || p.Output.Password != ""

	say("#!ipxe")
	say("# %s: boots from the folder that this script came from.", p.Name)
	say("")
	say(":menu")
	// An iPXE that was made without menus boots at once.
	say("menu %s || goto normal", entry.Title)
	say("item normal Boot %s", entry.Title)
	if shell {
		say("item loop Shell of iPXE")
	}
	say("item off Switch off")
	say("item reset Start again")
	timeout := ""
	switch {
	case menu.Timeout == 0:
		timeout = " --timeout 1"
	case menu.Timeout > 0:
		timeout = fmt.Sprintf(" --timeout %d", 1000*menu.Timeout)
	}
	say("choose --default normal%s what || goto menu", timeout)
	say("goto ${what}")
	say("")
	say(":normal")
	say("imgfree")
	for _, f := range []struct{ command, name, arguments string }{
		{"kernel", netKernel, " " + line}, {"initrd", netInitrd, ""}, {"initrd", p.rootImage(), " " + inside},
	} {
		say("%s --name %s %s%s || goto failed", f.command, f.name, f.name, f.arguments)
		if signed {
			say("imgverify %s %s%s || goto failed", f.name, f.name, netSignature)
		}
	}
	say("boot || goto failed")
	say("")
	if shell {
		p.shell(say)
	}
	say(":off")
	say("poweroff || goto menu")
	say("")
	say(":reset")
	say("reboot")
	say("")
	say(":failed")
	say("imgfree")
	say("echo %s did not start", entry.Title)
	say("prompt --timeout 30000 Any key leads back to the menu ||")
	say("goto menu")
	return b.String(), nil
}

// shell gives a shell, behind a password if there is one.
func (p *planner) shell(say func(format string, args ...any)) {
	say(":loop")
	if p.Output.Password != "" {
		say("echo -n Password: ${}")
		say("read --timeout 60000 password || goto menu")
		say("iseq ${password} %s || goto menu", p.Output.Password)
		say("clear password")
	}
	say("shell")
	say("goto menu")
	say("")
}

// checkIPXE refuses what iPXE would take for a word of its own: it knows no quotes.
func checkIPXE(what, s string) error {
	if i := strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }); i >= 0 {
		return fmt.Errorf("%s %q: a script of iPXE has no control characters", what, s)
	}
	if strings.Contains(s, "${") {
		return fmt.Errorf("%s %q: iPXE takes ${ for the beginning of a setting's name", what, s)
	}
	for _, word := range strings.Fields(s) {
		if word == "&&" || word == "||" || strings.HasPrefix(word, "#") {
			return fmt.Errorf("%s %q: iPXE takes %s for a word of its own", what, s, word)
		}
	}
	return nil
}
