package bootloader

import (
	"context"
	"fmt"

	"ingot/image"
)

// EFI makes GRUB for UEFI: a program with all modules in it that menus need, so that
// none has to be loaded and its version cannot differ from that of the program.
func (g *Grub) EFI(ctx context.Context, p Platform, at Place, modules ...string) (image.Blob, error) {
	if platforms[p].program == "" {
		return nil, fmt.Errorf("platform %s is not a UEFI", p)
	}
	if err := at.check(); err != nil {
		return nil, err
	}
	all, err := g.menuModules(p)
	if err != nil {
		return nil, err
	}
	b, err := g.Image(ctx, p, p.Name(), at.config(), append(append(all, coreModules...), modules...))
	return image.Bytes(b), err
}

// AddEFI puts the program into the Tree of an ESP, under the name with which firmware
// starts a disk that nobody has registered with it.
func AddEFI(esp *image.Tree, p Platform, program image.Blob) error {
	name := platforms[p].program
	if name == "" {
		return fmt.Errorf("platform %s is not a UEFI", p)
	}
	return esp.Put("/EFI/BOOT/"+name, image.NewFile(0o755, program))
}
