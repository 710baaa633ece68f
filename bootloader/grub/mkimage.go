package grub

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/bootloader"
)

// coreModules are in every image of GRUB, to find the folder of [Place]. The platform's disk
// driver joins them.
var coreModules = []string{"part_gpt", "part_msdos", "ext2", "fat", "search_fs_uuid"}

// Image runs grub-mkimage and returns an image in one of its formats ("i386-pc",
// "x86_64-efi", "i386-pc-eltorito") of the first modules, [coreModules], more of them and
// all that they depend on. It looks for its folder at a place.
//
// grub-mkimage gets no environment but a locale, and reads and writes files in memory: its
// output does not depend on a temporary folder.
func (g *Grub) Image(ctx context.Context, p bootloader.Platform, format string, at Place, first []string, more ...string) ([]byte, error) {
	if err := at.check(); err != nil {
		return nil, err
	}
	in, err := memory("config", []byte(at.config()))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := memory("image", nil)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	args := slices.Concat([]string{
		"--directory=" + g.modulesOf(p), "--format=" + format,
		"--prefix=" + DefaultFolder, "--config=/proc/self/fd/3", "--output=/proc/self/fd/4",
	}, first, coreModules, more)
	var stderr bytes.Buffer
	mkimage := g.mkimageFor(p)
	cmd := exec.CommandContext(ctx, mkimage, args...)
	cmd.Env, cmd.Dir, cmd.Stderr = []string{"LC_ALL=C"}, "/", &stderr
	cmd.ExtraFiles = []*os.File{in, out}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%s --format=%s: %w: %s", mkimage, format, err, lastWords(stderr.String()))
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(out)
	if err == nil && len(b) == 0 {
		err = fmt.Errorf("%s --format=%s: wrote nothing: %s", mkimage, format, lastWords(stderr.String()))
	}
	return b, err
}

// memory returns a file that lies in memory alone.
func memory(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteAt(content, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("memory file: %w", err)
	}
	return f, nil
}

// lastWords makes one line of a program's output.
func lastWords(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if s == "" {
		return "it said nothing"
	}
	return s[max(0, len(s)-500):]
}
