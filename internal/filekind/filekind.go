// Package filekind says what a file looks like that is not what it was taken for: for
// messages, in words that follow "it looks like".
//
//	if kind := filekind.Of(text); kind != "" {
//		err = fmt.Errorf("%s: not a recipe: it looks like %s", name, kind)
//	}
//
// It looks at the first bytes, and [Of] decides nothing: a file is read by what its reader
// makes of it, and only when that has failed is there something to explain. [Format] and
// [IsDocument] are for callers that take a file for a disk unless its bytes tell otherwise.
// What lies in a disk has an exact detection of its own, in package inspect.
package filekind

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"ingot/internal/lazy"
)

// Head is how many bytes of a file [Of] looks at.
const Head = 68 << 10

// magic is what files of a kind have at an offset.
type magic struct {
	at     int
	bytes  string
	kind   string
	format string // by its name in package fileformat, where no disk that is read begins so
}

// document are kinds of files that are no disks and no texts either.
const document = "document"

// magics are in the order in which they are tried: what holds others comes after what is
// held, as a disk image after the file system in it.
var magics = []magic{
	{0, "\x1f\x8b\x08", "data compressed by gzip", "gzip"},
	{0, "\xfd7zXZ\x00", "data compressed by xz", "xz"},
	{0, "\x28\xb5\x2f\xfd", "data compressed by zstd", "zstd"},
	{0, "BZh", "data compressed by bzip2", ""}, // as texts begin, too: see isBzip2
	{0, "\x04\x22\x4d\x18", "data compressed by lz4", "lz4"},
	{0, "LZIP\x01", "data compressed by lzip", "lzip"},
	{0, "\x89LZO\x00\x0d\x0a\x1a\x0a", "data compressed by lzop", "lzop"},
	{0, "\x5d\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff", "data compressed by lzma", "lzma"},
	{0, "PK\x03\x04", "a zip archive", "archive"},
	{0, "7z\xbc\xaf\x27\x1c", "a 7z archive", "archive"},
	{0, "Rar!\x1a\x07", "a RAR archive", "archive"},
	{0, "MSWIM\x00\x00\x00", "an archive of Windows (WIM)", "wim"},
	{0, "070701", "a cpio archive", "cpio"},
	{0, "!<arch>\ndebian", "a .deb package", "package"},
	{0, "!<arch>\n", "an ar archive", ""},
	{0, "\xed\xab\xee\xdb", "an RPM package", "package"},
	{0, "\x7fELF", "an ELF program", document},
	{0, "MZ", "a Windows or EFI program, or a kernel", ""},
	{0, "%PDF-", "a PDF document", document},
	{0, "\x89PNG\r\n", "a PNG picture", document},
	{0, "\xff\xd8\xff", "a JPEG picture", document},
	{0, "SQLite format 3\x00", "an SQLite database", document},
	{0, "\x0d\x00\x00\x00\x00\x00\x00\x00nix-archive-1", "a NAR", "nar"},
	{0, "QFI\xfb\x00\x00\x00\x01", "a disk image (version 1 of qcow)", "qcow"},
	{0, "QFI\xfb", "a disk image (qcow2)", ""},
	{0x40, "\x7f\x10\xda\xbe", "a disk image (VDI)", ""},
	{0, "KDMV", "a disk image (VMDK)", "vmdk"},
	{0, "COWD", "a disk image (VMDK)", "vmdk"},
	{0, "# Disk DescriptorFile", "the descriptor of a disk image (VMDK)", "vmdk"},
	{0, "vhdxfile", "a disk image (VHDX)", "vhdx"},
	{0, "conectix", "a disk image (VHD)", ""},
	{0, "QED\x00", "a disk image (QED)", "qed"},
	{0, "WithoutFreeSpace", "a disk image (Parallels)", "parallels"},
	{0, "WithouFreSpacExt", "a disk image (Parallels)", "parallels"},
	{0, "Bochs Virtual HD Image", "a disk image (Bochs)", "bochs"},
	{0, "#!/bin/sh\n#V2.0 Format", "a compressed disk image (cloop)", "cloop"},
	{0, "VMA\x00", "a machine of Proxmox (VMA)", "vma"},
	{0, "EVF\x09\x0d\x0a\xff\x00", "a disk image (EnCase)", "ewf"},
	{0, "\x3a\xff\x26\xed", "a sparse image of Android", "simg"},
	{4, "SignedImage ", "a disk image of Windows (FFU)", "ffu"},
	{257, "ustar", "a tar archive", "tar"},
	{0, "hsqs", "a squashfs", ""},
	{0, "LUKS\xba\xbe", "a LUKS volume", ""},
	{1024, "\xe2\xe1\xf5\xe0", "an EROFS volume", ""},
	{0x438, "\x53\xef", "an ext2, ext3 or ext4 file system", ""},
	{0x10040, "_BHRfS_M", "a btrfs file system", ""},
	{32769, "CD001", "an ISO image", ""},
	{512, "EFI PART", "a disk image", ""},
	{510, "\x55\xaa", "a disk image", ""},
}

func (m magic) fits(data []byte) bool {
	return len(data) >= m.at && bytes.HasPrefix(data[m.at:], []byte(m.bytes))
}

// FormatHead is how many bytes of a file [Format] and [IsDocument] look at.
const FormatHead = 512

// Format returns the format that a file of the first bytes data has, by its name in package
// fileformat, if that is not a disk format that ingot reads, or else "".
func Format(data []byte) string {
	data = data[:min(len(data), FormatHead)]
	if isBzip2(data) {
		return "bzip2"
	}
	for _, m := range magics {
		switch {
		case m.format == "" || m.format == document || !m.fits(data):
		case m.format == "tar" && len(data) == FormatHead && data[510] == 0x55 && data[511] == 0xaa:
			// A boot sector, as no header of tar ends.
		default:
			return m.format
		}
	}
	return ""
}

// isBzip2 looks for the magic of the first block, too.
func isBzip2(data []byte) bool {
	return len(data) >= 10 && string(data[:3]) == "BZh" && data[3] >= '1' && data[3] <= '9' && string(data[4:10]) == "\x31\x41\x59\x26\x53\x59"
}

// IsDocument reports whether a file of the first bytes data is a program, a document, a picture
// or a database.
func IsDocument(data []byte) bool {
	data = data[:min(len(data), FormatHead)]
	return slices.ContainsFunc(magics, func(m magic) bool { return m.format == document && m.fits(data) })
}

// texts are patterns that the beginning of a text of a kind has.
var texts = []struct {
	pattern func() *regexp.Regexp
	kind    string
}{
	{lazy.Regexp(`^-----BEGIN [A-Z0-9 ]*PRIVATE KEY`), "a private key"},
	{lazy.Regexp(`^-----BEGIN [A-Z0-9 ]*CERTIFICATE`), "a certificate"},
	{lazy.Regexp(`^-----BEGIN `), "a PEM file"},
	{lazy.Regexp(`^(ssh-(ed25519|rsa|dss)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) AAAA`), "a public SSH key"},
	{lazy.Regexp(`^\(public-key\s`), "a public key of Guix's"},
	{lazy.Regexp(`^#!`), "a script for an interpreter (#!)"},
	{lazy.Regexp(`(?i)^(<!doctype html|<html|<head|<body)`), "an HTML page"},
	{lazy.Regexp(`^<\?xml|^<[a-zA-Z]+(>|\s)`), "an XML document"},
	{lazy.Regexp(`^StorePath: /`), "a narinfo"},
	{lazy.Regexp(`^Derive\(\[`), "a derivation"},
	{lazy.Regexp(`(?s)^(/nix|/gnu)/store/[^\n]+\n(sha256:[0-9a-z]+|[0-9a-f]{64})\r?\n`), "a registration"},
	{lazy.Regexp(`(?s)^(/nix|/gnu)/store/[^\n]+\n(/[^\n]*|\r?)\n[0-9]+\r?\n`), "a reference graph"},
	{lazy.Regexp(`^(/nix|/gnu)/store/[^\n]+(\n|$)`), "a list of store paths"},
	{lazy.Regexp(`<nixpkgs>|^\{[^"'{}]*\}:|\bstdenv\.mkDerivation\b|\bpkgs\.mk[A-Z]`), "a Nix expression"},
	{lazy.Regexp(`^(;[^\n]*\n\s*)*\((use-modules|define-module|operating-system|define|package|let\*?)[\s)]`), "Guile Scheme"},
	{lazy.Regexp(`(?m)^FROM \S+(\s|$)[\s\S]*^(RUN|COPY|CMD|ENTRYPOINT|ADD) `), "a Dockerfile"},
	{lazy.Regexp(`^\[[A-Za-z][\w.-]*\]\s*\n\s*[\w.-]+\s*=`), "a TOML or INI file"},
}

// Of returns what the file that begins with data looks like, with its article, or "" for a
// text that is none of what is known here.
func Of(data []byte) string {
	data = data[:min(len(data), Head)]
	if len(data) == 0 {
		return "an empty file"
	}
	for _, m := range magics {
		if m.fits(data) {
			return m.kind
		}
	}
	if kind := encoding(data); kind != "" {
		return kind
	}
	text := strings.TrimLeft(strings.TrimPrefix(string(data), "\ufeff"), " \t\r\n")
	for _, t := range texts {
		if t.pattern().MatchString(text) {
			return t.kind
		}
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return jsonKind(text, len(data) == Head)
	}
	return ""
}

// jsonKind returns what JSON looks like: what is no JSON may be YAML.
func jsonKind(text string, cut bool) string {
	d := json.NewDecoder(strings.NewReader(text))
	for n := 0; ; n++ {
		_, err := d.Token()
		switch {
		case err == nil:
		case strings.Contains(err.Error(), "EOF") && cut, n > 2 && strings.Contains(err.Error(), "EOF"):
			if json.Valid([]byte(text)) || cut {
				return "JSON"
			}
			return "JSON that is cut off"
		default:
			return ""
		}
	}
}

// encoding returns what is to be said of bytes that are no text in UTF-8.
func encoding(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return "text in UTF-16"
	}
	// The half of UTF-16 that English text fills is zeros; so is more of UTF-32.
	zeros := [2]int{}
	for i, c := range data {
		if c == 0 {
			zeros[i%2]++
		}
	}
	half := len(data) / 2
	if len(data) >= 8 && (zeros[0] == 0 && zeros[1] > half*3/4 || zeros[1] == 0 && zeros[0] > half*3/4) {
		return "text in UTF-16"
	}
	if zeros[0]+zeros[1] == len(data) {
		return "zeros alone, as a disk image without contents has"
	}
	controls := 0
	for _, c := range data {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b {
			controls++
		}
	}
	// A character that slipped into a text is no reason to call it binary.
	if zeros[0]+zeros[1] > 0 || controls > len(data)/leastText {
		return "binary data"
	}
	if at := invalidUTF8(data); at >= 0 {
		line := 1 + bytes.Count(data[:at], []byte("\n"))
		return fmt.Sprintf("text in another encoding than UTF-8: line %d has the byte 0x%02x", line, data[at])
	}
	return ""
}

// leastText is how many bytes of a text there are for each control character in it.
const leastText = 32

// invalidUTF8 returns where a text is no UTF-8, or -1. A character that the end of what is
// looked at cuts off is none of that.
func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			if len(data) == Head && !utf8.FullRune(data[i:]) {
				return -1
			}
			return i
		}
		i += n
	}
	return -1
}
