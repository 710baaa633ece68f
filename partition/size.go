package partition

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"ingot/image"
	"ingot/internal/grammar"
)

// units are the units of sizes in lower case. A single letter is binary, as in qemu-img,
// mke2fs, sgdisk and LVM.
var units = map[string]int64{
	"": 1, "b": 1,
	"k": 1 << 10, "kib": 1 << 10, "kb": 1e3,
	"m": 1 << 20, "mib": 1 << 20, "mb": 1e6,
	"g": 1 << 30, "gib": 1 << 30, "gb": 1e9,
	"t": 1 << 40, "tib": 1 << 40, "tb": 1e12,
	"p": 1 << 50, "pib": 1 << 50, "pb": 1e15,
}

// ParseBytes parses a number of bytes: "1048576", "64MiB", "1.5 GiB" (IEC, powers of
// 1024; "64M" is the same as "64MiB"), "64MB" (SI, powers of 1000). Case does not matter.
// The result must be a whole number of bytes.
func ParseBytes(s string) (int64, error) {
	t := strings.TrimSpace(s)
	i := strings.IndexFunc(t, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != '_' })
	if i < 0 {
		i = len(t)
	}
	number, unit := t[:i], strings.TrimSpace(t[i:])
	factor, ok := units[strings.ToLower(unit)]
	switch {
	case t == "":
		return 0, fmt.Errorf("size is empty: write a number and a unit, such as 64MiB")
	case len(t) > 1 && t[0] == '-' && (t[1] >= '0' && t[1] <= '9' || t[1] == '.'):
		return 0, fmt.Errorf("size %q is negative", s)
	case number == "":
		return 0, fmt.Errorf("size %q does not start with a number: write one such as 64MiB", s)
	case !ok:
		return 0, fmt.Errorf("size %q: unknown unit %q: known are B, KiB, MiB, GiB, TiB (powers of 1024) and kB, MB, GB, TB (powers of 1000)", s, unit)
	}
	// big.Rat would accept "1_0", and a point at the start or the end.
	if strings.Count(number, ".") > 1 || strings.HasPrefix(number, ".") || strings.HasSuffix(number, ".") || strings.Contains(number, "_") || len(number) > 40 {
		return 0, fmt.Errorf("size %q: %q is not a number", s, number)
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, fmt.Errorf("size %q: %q is not a number", s, number)
	}
	r.Mul(r, new(big.Rat).SetInt64(factor))
	switch {
	case !r.IsInt():
		return 0, fmt.Errorf("size %q is not a whole number of bytes", s)
	case !r.Num().IsInt64():
		return 0, fmt.Errorf("size %q is more than %s", s, FormatBytes(math.MaxInt64))
	}
	return r.Num().Int64(), nil
}

// ParseSize parses the size of a volume: a number of bytes as in [ParseBytes], "fit" for the
// smallest volume that holds its files, or "fit+512MiB" for that and so much free space.
func ParseSize(s string) (image.Size, error) {
	t := strings.TrimSpace(s)
	rest, fit := strings.CutPrefix(strings.ToLower(t), "fit")
	if !fit {
		n, err := ParseBytes(t)
		if err == nil && n == 0 {
			err = fmt.Errorf("size %q: a volume has at least one byte; write \"fit\" for the smallest that holds its files", s)
		}
		return image.Exactly(n), err
	}
	rest = strings.TrimSpace(rest)
	if rest == "" {
		return image.Fit(0), nil
	}
	free, ok := strings.CutPrefix(rest, "+")
	if !ok {
		return image.Size{}, fmt.Errorf("size %q: only + and the free space can follow fit, as in fit+512MiB", s)
	}
	n, err := ParseBytes(free)
	if err != nil {
		return image.Size{}, fmt.Errorf("free space of %q: %w", s, err)
	}
	return image.Fit(n), nil
}

// FormatSize formats a size for [ParseSize], with the largest unit that gives a whole number,
// such as 1536MiB.
func FormatSize(s image.Size) string {
	if s.Fit && s.Bytes == 0 {
		return "fit"
	}
	text := strconv.FormatInt(s.Bytes, 10)
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if n := int64(1) << (10 * (i + 1)); s.Bytes != 0 && s.Bytes%n == 0 {
			text = strconv.FormatInt(s.Bytes/n, 10) + unit
		}
	}
	if s.Fit {
		return "fit+" + text
	}
	return text
}

// FormatBytes formats a number of bytes in the largest unit that it reaches: "512 bytes",
// "64 MiB", "3.2 GiB". A number without a decimal is exact.
func FormatBytes(n int64) string {
	if n < 0 {
		// The lowest int64 has no positive counterpart.
		return "-" + FormatBytes(-max(n, -math.MaxInt64))
	}
	const names = "KMGTPE"
	unit, i := int64(1), -1
	for i+1 < len(names) && n/unit >= 1024 {
		unit, i = unit<<10, i+1
	}
	switch {
	case i < 0:
		return grammar.Count(n, "byte")
	case n%unit == 0:
		return fmt.Sprintf("%d %ciB", n/unit, names[i])
	}
	// Rounded down to a tenth, so that 1,023.99 KiB does not become 1024.0 KiB.
	return fmt.Sprintf("%d.%d %ciB", n/unit, uint64(n%unit)*10/uint64(unit), names[i])
}

// exactly formats a number of bytes with all digits, for errors that compare two numbers
// which FormatBytes might round to the same.
func exactly(n int64) string {
	s := FormatBytes(n)
	if !strings.Contains(s, ".") {
		return s
	}
	return fmt.Sprintf("%s (%s bytes)", s, humanize.Comma(n))
}
