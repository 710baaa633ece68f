package applet

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"ingot/storedb/compression"
)

func archiveApplets() []Applet {
	return []Applet{
		{"gunzip", "[-cfk] [FILE...]", "decompress .gz files", runDecompress},
		{"gzip", "[-cdfk] [-1..-9] [FILE...]", "compress files", runGzip},
		{"md5sum", "[-c] [FILE...]", "print or check MD5 sums", runSum(md5.New)},
		{"sha1sum", "[-c] [FILE...]", "print or check SHA-1 sums", runSum(sha1.New)},
		{"sha256sum", "[-c] [FILE...]", "print or check SHA-256 sums", runSum(sha256.New)},
		{"sha512sum", "[-c] [FILE...]", "print or check SHA-512 sums", runSum(sha512.New)},
		{"tar", "c|x|t[vzJOp] [f FILE] [-C DIR] [NAME...]", "pack, unpack or list an archive", runTar},
		{"unxz", "[-cfk] [FILE...]", "decompress .xz files", runDecompress},
		{"zcat", "[FILE...]", "decompress files of any known format to standard output", runZcat},
		{"zstd", "[-cdfk] [FILE...]", "compress or decompress with zstd", runZstd},
	}
}

// suffixes are those of compressed files.
var suffixes = []string{".gz", ".bz2", ".xz", ".zst"}

// decompressed decompresses data of any known format; other data it passes on.
func decompressed(r io.Reader) (out io.ReadCloser, packed bool, err error) {
	in := bufio.NewReaderSize(r, 1<<16)
	head, _ := in.Peek(compression.MagicSize) // a shorter file is plain
	method := compression.Detect(head)
	out, err = compression.Open(method, in)
	return out, method != "none", err
}

func runZcat(c *Call) error {
	return c.eachInput(c.parse(0, -1), func(name string, r io.Reader) error {
		return copyDecompressed(c.Stdout, name, r)
	})
}

func copyDecompressed(w io.Writer, name string, r io.Reader) error {
	plain, packed, err := decompressed(r)
	if err == nil {
		defer plain.Close()
	}
	if err == nil && !packed {
		err = fmt.Errorf("not compressed with gzip, bzip2, xz, zstd, lzip, lz4 or lzma")
	}
	if err == nil {
		_, err = io.Copy(w, plain)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// packing is the options that the compressors share.
type packing struct {
	*Call
	stdout, keep, force, decompress bool
}

// packing reads them.
func (c *Call) packing(keep bool) (p *packing, files []string) {
	p = &packing{Call: c}
	c.flags.BoolVarP(&p.stdout, "stdout", "c", false, "to standard output")
	c.flags.BoolVarP(&p.keep, "keep", "k", keep, "keep the file")
	c.flags.BoolVarP(&p.force, "force", "f", false, "replace files")
	c.flags.BoolVarP(&p.decompress, "decompress", "d", false, "decompress")
	return p, c.parse(0, -1)
}

func runDecompress(c *Call) error {
	p, files := c.packing(false)
	return p.decompressAll(files)
}

func (p *packing) decompressAll(files []string) error {
	return p.eachInput(files, func(name string, r io.Reader) error {
		if name == "-" || p.stdout {
			return copyDecompressed(p.Stdout, name, r)
		}
		for _, suffix := range suffixes {
			if out, ok := strings.CutSuffix(name, suffix); ok && out != "" {
				return p.replace(name, out, func(w io.Writer) error { return copyDecompressed(w, name, r) })
			}
		}
		return statusError{statusWarning, fmt.Errorf("%s: unknown suffix (known are .gz, .bz2, .xz and .zst)", name)}
	})
}

// statusWarning is the exit status of gzip if it has left a file out.
const statusWarning = 2

// replace writes a new file, and then removes the old one.
func (p *packing) replace(old, name string, fill func(io.Writer) error) error {
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if p.force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	info, err := os.Lstat(old)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return statusError{statusWarning, fmt.Errorf("%s: is not a regular file", old)}
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 && !p.force && p.Name != "zstd" {
		return statusError{statusWarning, fmt.Errorf("%s: has other names, too (-f compresses it anyway)", old)}
	}
	out, err := os.OpenFile(name, mode, info.Mode().Perm())
	if errors.Is(err, fs.ErrExist) {
		return statusError{statusWarning, err}
	}
	if err != nil {
		return err
	}
	if err = closing(out, fill(out)); err == nil {
		err = os.Chtimes(name, info.ModTime(), info.ModTime())
	}
	if err != nil {
		os.Remove(name)
		return err
	}
	if p.keep {
		return nil
	}
	return os.Remove(old)
}

func (p *packing) compressAll(files []string, suffix string, open func(io.Writer) (io.WriteCloser, error)) error {
	return p.eachInput(files, func(name string, r io.Reader) error {
		pack := func(w io.Writer) error {
			z, err := open(w)
			if err != nil {
				return err
			}
			if _, err := io.Copy(z, r); err != nil {
				return err
			}
			return z.Close()
		}
		if name == "-" || p.stdout {
			return pack(p.Stdout)
		}
		if strings.HasSuffix(name, suffix) && !p.force {
			return statusError{statusWarning, fmt.Errorf("%s: has the suffix %s already", name, suffix)}
		}
		return p.replace(name, name+suffix, pack)
	})
}

func runGzip(c *Call) error {
	level := gzip.DefaultCompression
	var rest []string
	for _, a := range c.Args {
		if len(a) == 2 && a[0] == '-' && a[1] >= '1' && a[1] <= '9' {
			level = int(a[1] - '0')
			continue
		}
		rest = append(rest, a)
	}
	c.Args = rest
	p, files := c.packing(false)
	if p.decompress {
		return p.decompressAll(files)
	}
	return p.compressAll(files, ".gz", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, level) })
}

func runZstd(c *Call) error {
	p, files := c.packing(true)
	if p.decompress {
		return p.decompressAll(files)
	}
	return p.compressAll(files, ".zst", func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
}

// runSum makes the body of the applets that print and check sums.
func runSum(algorithm func() hash.Hash) func(*Call) error {
	return func(c *Call) error {
		check := c.flags.BoolP("check", "c", false, "check the sums that the files list")
		files := c.parse(0, -1)
		if *check {
			return c.eachInput(files, func(name string, r io.Reader) error { return c.checkSums(name, r, algorithm) })
		}
		return c.eachInput(files, func(name string, r io.Reader) error {
			sum, err := sumOf(r, algorithm)
			if err == nil {
				escaped := strings.NewReplacer("\\", `\\`, "\n", `\n`).Replace(name)
				c.printf("%s%x  %s\n", strings.Repeat(`\`, btoi(escaped != name)), sum, escaped)
			}
			return err
		})
	}
}

func sumOf(r io.Reader, algorithm func() hash.Hash) ([]byte, error) {
	h := algorithm()
	_, err := io.Copy(h, r)
	return h.Sum(nil), err
}

func (c *Call) checkSums(list string, r io.Reader, algorithm func() hash.Hash) error {
	lines, wrong, failed := 0, 0, 0
	err := eachLine(r, func(line string) bool {
		line, escaped := strings.CutPrefix(line, `\`)
		digits, name, _ := strings.Cut(line, " ")
		want, err := hex.DecodeString(digits)
		if err != nil || len(want) != algorithm().Size() || len(name) < 2 || name[0] != ' ' && name[0] != '*' {
			wrong++
			return true
		}
		lines++
		if name = name[1:]; escaped {
			name = strings.NewReplacer(`\\`, `\`, `\n`, "\n").Replace(name)
		}
		var got []byte
		err = c.input(name, func(_ string, r io.Reader) (err error) {
			got, err = sumOf(r, algorithm)
			return err
		})
		verdict := "OK"
		switch {
		case err != nil:
			c.warn(err)
			verdict = "FAILED open or read"
		case !bytes.Equal(got, want):
			verdict = "FAILED"
			failed++
		}
		c.printf("%s: %s\n", name, verdict)
		return true
	})
	if err == nil && lines == 0 {
		return fmt.Errorf("%s: no sums in the file", list)
	}
	if wrong > 0 {
		fmt.Fprintf(c.Stderr, "%s: %s: %d lines are not sums\n", c.Name, list, wrong)
	}
	if failed > 0 {
		c.warn(fmt.Errorf("%s: %d of %d sums differ", list, failed, lines))
	}
	return err
}
