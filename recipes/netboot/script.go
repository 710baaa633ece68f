package netboot

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"ingot/bootloader"
	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/internal/printable"
)

// A Script is what iPXE runs to load a system.
type Script struct {
	Name     string // of the image
	Title    string // of the entry that boots
	Line     string // the command line of the kernel
	Timeout  int    // seconds before the entry boots by itself; below 0 it waits
	Inside   string // the name of the root in the initial RAM disk
	Files    []File // the kernel, the initial RAM disk and the root
	Password string // that opens a shell
	Signed   bool
	// Digests are those of the files, if a signed script compares them.
	Digests *Digests
}

// Blob returns the text. One with digests reads the files when it is first read itself.
func (s Script) Blob() (image.Blob, error) {
	if err := errors.Join(checkIPXE("kernel arguments", s.Line), checkIPXE("title", s.Title), bootloader.CheckTitle(s.Title)); err != nil {
		return nil, err
	}
	if strings.HasPrefix(s.Title, "-") {
		return nil, fmt.Errorf("title %s: iPXE takes it for an option, because it begins with a dash", printable.Quote(s.Title))
	}
	if s.Digests == nil {
		return image.Bytes(s.text(nil)), nil
	}
	return s.Digests.text(s.text), nil
}

// text returns the script: a menu whose first line boots, by itself after the
// menu's timeout. With signatures nothing runs that is not verified.
//
// A signature binds no name: that of the initial RAM disk is as good for the root, and one
// of last year as good as today's. So the script, which is signed itself, compares the
// digest of each file. That takes an iPXE whose sha256sum can store what it finds: 2.0 and
// later (src/hci/commands/digest_cmd.c), and one for BIOS only where DIGEST_CMD was asked
// for (the end of src/config/general.h). One that cannot starts nothing, and says why.
func (s Script) text(sums []image.Sum) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	shell := !s.Signed || s.Password != ""

	say("#!ipxe")
	say("# %s: boots from the folder that this script came from.", s.Name)
	say("")
	say(":menu")
	// An iPXE that was made without menus boots at once.
	say("menu %s || goto normal", s.Title)
	say("item normal Boot %s", s.Title)
	if shell {
		say("item loop Shell of iPXE")
	}
	say("item off Switch off")
	say("item reset Start again")
	timeout := ""
	switch {
	case s.Timeout == 0:
		timeout = " --timeout 1"
	case s.Timeout > 0:
		timeout = fmt.Sprintf(" --timeout %d", 1000*s.Timeout)
	}
	say("choose --default normal%s what || goto menu", timeout)
	say("goto ${what}")
	say("")
	say(":normal")
	say("imgfree")
	for i, f := range []struct{ command, arguments string }{
		{"kernel", " " + s.Line}, {"initrd", ""}, {"initrd", " " + s.Inside},
	} {
		name := s.Files[i].Name
		say("%s --name %s %s%s || goto failed", f.command, name, name, f.arguments)
		if s.Signed {
			say("imgverify %s %s%s || goto failed", name, name, SignatureSuffix)
		}
	}
	if s.Digests != nil {
		say("# A signature binds no name; the digests do.")
		for i, f := range s.Files {
			say("sha256sum --set digest %s || goto digests", f.Name)
			say("iseq ${digest:hexraw} %s || goto failed", sums[i])
		}
	}
	say("boot || goto failed")
	say("")
	if shell {
		s.shell(say)
	}
	say(":off")
	say("poweroff || goto menu")
	say("")
	say(":reset")
	say("reboot")
	say("")
	if s.Digests != nil {
		say(":digests")
		say("echo This iPXE cannot compare digests: it has to be 2.0 or later, built with DIGEST_CMD")
	}
	say(":failed")
	say("imgfree")
	say("echo %s did not start", s.Title)
	say("prompt --timeout 30000 Any key leads back to the menu ||")
	say("goto menu")
	return b.String()
}

// shell gives a shell, behind a password if there is one.
func (s Script) shell(say func(format string, args ...any)) {
	say(":loop")
	if s.Password != "" {
		say("echo -n Password: ${}")
		say("read --timeout 60000 password || goto menu")
		say("iseq ${password} %s || goto menu", s.Password)
		say("clear password")
	}
	say("shell")
	say("goto menu")
	say("")
}

// CheckCommandLine refuses an entry whose kernel would not see the end of its command line.
// iPXE puts the name of the file before it on UEFI (src/image/efi_image.c), and counts the
// end on BIOS (src/arch/x86/image/bzimage.c), where it cuts the line.
func CheckCommandLine(m bootloader.Menu, e bootloader.Entry, h kernel.Header) error {
	return m.CheckCommandLine(e, h, "iPXE", len(KernelFile)+len(" ")+1)
}

// checkIPXE refuses what iPXE would take for a word of its own: it knows no quotes.
func checkIPXE(what, text string) error {
	shown := printable.Quote(text)
	if i := strings.IndexFunc(text, unicode.IsControl); i >= 0 {
		return fmt.Errorf("%s %s: a script of iPXE has no control characters", what, shown)
	}
	if strings.Contains(text, "${") {
		return fmt.Errorf("%s %s: iPXE takes ${ for the beginning of a setting's name", what, shown)
	}
	for _, word := range strings.Fields(text) {
		if word == "&&" || word == "||" || strings.HasPrefix(word, "#") {
			return fmt.Errorf("%s %s: iPXE takes %s for a word of its own", what, shown, printable.Quote(word))
		}
	}
	return nil
}
