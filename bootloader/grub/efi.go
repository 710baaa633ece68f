package grub

import (
	"context"
	"fmt"

	"ingot/bootloader"
	"ingot/image"
)

// EFI makes GRUB for UEFI: a program with all modules in it that menus need, so that
// none has to be loaded and its version cannot differ from that of the program.
func (g *Grub) EFI(ctx context.Context, p bootloader.Platform, at Place, modules ...string) (image.Blob, error) {
	if !p.IsUEFI() {
		return nil, fmt.Errorf("platform %s is not a UEFI", p)
	}
	all, err := g.menuModules(p)
	if err != nil {
		return nil, err
	}
	b, err := g.Image(ctx, p, nameOf(p), at, all, modules...)
	return image.Bytes(b), err
}
