package partition

import (
	"math"
	"strings"
	"testing"

	"ingot/image"
)

func TestFormatSize(t *testing.T) {
	for size, want := range map[image.Size]string{
		image.Fit(0): "fit", image.Fit(512 << 20): "fit+512MiB", image.Exactly(8 << 30): "8GiB", image.Exactly(3 << 29): "1536MiB",
		image.Exactly(1000): "1000", image.Exactly(1 << 50): "1PiB", image.Fit(1): "fit+1", image.Exactly(2 << 60): "2048PiB",
	} {
		if got := FormatSize(size); got != want {
			t.Errorf("FormatSize(%v) = %s; want %s", size, got, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]image.Size{
		"1":                   image.Exactly(1),
		"512B":                image.Exactly(512),
		"64MiB":               image.Exactly(64 << 20),
		" 64 mib ":            image.Exactly(64 << 20),
		"64M":                 image.Exactly(64 << 20),
		"64MB":                image.Exactly(64e6),
		"10kB":                image.Exactly(10e3),
		"1.5GiB":              image.Exactly(3 << 29),
		"0.001TB":             image.Exactly(1e9),
		"8GiB":                image.Exactly(8 << 30),
		"15TiB":               image.Exactly(15 << 40),
		"9223372036854775807": image.Exactly(math.MaxInt64),
		"fit":                 image.Fit(0),
		"Fit":                 image.Fit(0),
		"fit+512MiB":          image.Fit(512 << 20),
		"fit + 1GB":           image.Fit(1e9),
		"fit+0":               image.Fit(0),
	} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                       "size is empty",
		"0":                      "at least one byte",
		"-1GiB":                  "is negative",
		"-":                      "does not start with a number",
		"-x":                     "does not start with a number",
		"--size":                 "does not start with a number",
		"GiB":                    "does not start with a number",
		"8 gigs":                 `unknown unit "gigs"`,
		"8Gi":                    `unknown unit "Gi"`,
		"1.2.3M":                 `"1.2.3" is not a number`,
		".5M":                    `".5" is not a number`,
		"5.M":                    `"5." is not a number`,
		"1_0M":                   `"1_0" is not a number`,
		"1e3":                    "unknown unit",
		"0.3B":                   "not a whole number of bytes",
		"8EiB":                   "unknown unit",
		"9000PiB":                "is more than 7.9 EiB",
		"fit-1GiB":               "only + and the free space can follow fit",
		"fit+":                   "size is empty",
		"fit+x":                  `free space of "fit+x"`,
		"fitness":                "only + and",
		strings.Repeat("9", 9e3): "is not a number",
	} {
		if got, err := ParseSize(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSize(%.20q) = %v, %v; want an error with %q", s, got, err, want)
		}
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1 KiB", 1025: "1.0 KiB", 1536: "1.5 KiB",
		1<<20 - 1: "1023.9 KiB", 64 << 20: "64 MiB", 3435973837: "3.2 GiB", -512: "-512 bytes", -2048: "-2 KiB",
		math.MaxInt64: "7.9 EiB", math.MinInt64: "-7.9 EiB",
	} {
		if got := FormatBytes(n); got != want {
			t.Errorf("FormatBytes(%d) = %q; want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{64 << 20: "64 MiB", 3435973837: "3.2 GiB (3,435,973,837 bytes)"} {
		if got := exactly(n); got != want {
			t.Errorf("exactly(%d) = %q; want %q", n, got, want)
		}
	}
}
