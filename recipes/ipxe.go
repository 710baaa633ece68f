package recipes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode"

	"ingot/bootloader"
	"ingot/bootloader/linux"
	"ingot/image"
	"ingot/internal/printable"
)

// netStore is the name that a NixOS system's initial RAM disk looks for, beside itself.
const netStore = storeImage

// netDigests are the SHA-256 digests of the files that a signed script loads. They are
// taken when the script is first read: a plan is made of metadata alone.
type netDigests struct {
	files []OutputFile

	mu   sync.Mutex
	sums []image.Sum
}

// take returns the digests in the order of the files.
func (d *netDigests) take(ctx context.Context) ([]image.Sum, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sums != nil {
		return d.sums, nil
	}
	sums := make([]image.Sum, len(d.files))
	for i, f := range d.files {
		var err error
		if sums[i], err = image.SHA256(ctx, f.Map, image.WriteOptions{}); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	d.sums = sums
	return sums, nil
}

// text returns what write makes of the digests, as a Blob. The length of what it makes
// must not depend on them.
func (d *netDigests) text(write func([]image.Sum) string) image.Blob {
	size := int64(len(write(make([]image.Sum, len(d.files)))))
	return image.Computed(size, func(p []byte, off int64) error {
		sums, err := d.take(context.Background())
		if err == nil {
			copy(p, write(sums)[off:])
		}
		return err
	})
}

// scriptBlob returns the iPXE script that loads some files: the kernel, the initial RAM
// disk and the root. A signed one holds their digests.
func (p *planner) scriptBlob(menu bootloader.Menu, entry bootloader.Entry, line string, files []OutputFile) (image.Blob, error) {
	if err := errors.Join(checkIPXE("kernel arguments", line), checkIPXE("title", entry.Title), bootloader.CheckTitle(entry.Title)); err != nil {
		return nil, err
	}
	if strings.HasPrefix(entry.Title, "-") {
		return nil, fmt.Errorf("title %s: iPXE takes it for an option, because it begins with a dash", printable.Quote(entry.Title))
	}
	write := func(sums []image.Sum) string { return p.script(menu, entry, line, files, sums) }
	if p.signer == nil || p.Output.Sign.OnlySignatures {
		return image.Bytes(write(nil)), nil
	}
	p.digests = &netDigests{files: files}
	return p.digests.text(write), nil
}

// checkNetbootLine refuses an entry whose kernel would not see the end of its command line.
// iPXE puts the name of the file before it on UEFI (src/image/efi_image.c), and counts the
// end on BIOS (src/arch/x86/image/bzimage.c), where it cuts the line.
func (p *planner) checkNetbootLine(menu bootloader.Menu, e bootloader.Entry, h linux.Header) error {
	args, err := menu.Arguments(e)
	if err != nil {
		return err
	}
	return h.CheckLoaded(len(bootloader.CommandLine(args)), "iPXE", len(netKernel)+len(" ")+1)
}

// script returns the iPXE script: a menu whose first line boots, by itself after the
// menu's timeout. With signatures nothing runs that is not verified.
//
// A signature binds no name: that of the initial RAM disk is as good for the root, and one
// of last year as good as today's. So the script, which is signed itself, compares the
// digest of each file. That takes an iPXE whose sha256sum can store what it finds: 2.0 and
// later (src/hci/commands/digest_cmd.c), and one for BIOS only where DIGEST_CMD was asked
// for (the end of src/config/general.h). One that cannot starts nothing, and says why.
func (p *planner) script(menu bootloader.Menu, entry bootloader.Entry, line string, files []OutputFile, sums []image.Sum) string {
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
	for i, f := range []struct{ command, arguments string }{
		{"kernel", " " + line}, {"initrd", ""}, {"initrd", " " + inside},
	} {
		name := files[i].Name
		say("%s --name %s %s%s || goto failed", f.command, name, name, f.arguments)
		if signed {
			say("imgverify %s %s%s || goto failed", name, name, netSignature)
		}
	}
	if p.digests != nil {
		say("# A signature binds no name; the digests do.")
		for i, f := range files {
			say("sha256sum --set digest %s || goto digests", f.Name)
			say("iseq ${digest:hexraw} %s || goto failed", sums[i])
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
	if p.digests != nil {
		say(":digests")
		say("echo This iPXE cannot compare digests: it has to be 2.0 or later, built with DIGEST_CMD")
	}
	say(":failed")
	say("imgfree")
	say("echo %s did not start", entry.Title)
	say("prompt --timeout 30000 Any key leads back to the menu ||")
	say("goto menu")
	return b.String()
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
	shown := printable.Quote(s)
	if i := strings.IndexFunc(s, unicode.IsControl); i >= 0 {
		return fmt.Errorf("%s %s: a script of iPXE has no control characters", what, shown)
	}
	if strings.Contains(s, "${") {
		return fmt.Errorf("%s %s: iPXE takes ${ for the beginning of a setting's name", what, shown)
	}
	for _, word := range strings.Fields(s) {
		if word == "&&" || word == "||" || strings.HasPrefix(word, "#") {
			return fmt.Errorf("%s %s: iPXE takes %s for a word of its own", what, shown, printable.Quote(word))
		}
	}
	return nil
}
