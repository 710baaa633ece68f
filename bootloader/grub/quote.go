package grub

import (
	"fmt"
	"strings"

	"ingot/bootloader"
	"ingot/internal/printable"
)

// plain are the characters that mean themselves in a GRUB script.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._=,:+@-"

// quote writes one word of a GRUB script. Within single quotes nothing has a meaning
// but the single quote itself, which therefore stands outside of them, escaped.
func quote(s string) string {
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// checkArgument refuses an argument that GRUB does not pass on unchanged: it writes a backslash
// before each quote and backslash, which the kernel does not remove.
func checkArgument(s string) error {
	if i := strings.IndexAny(s, `"'\`); i >= 0 && bootloader.CheckText("", s) == nil {
		return fmt.Errorf("kernel argument %s: GRUB cannot pass a %c to a kernel unchanged; an argument with blanks needs no quotes", printable.Quote(s), s[i])
	}
	return bootloader.CheckArgument(s)
}
