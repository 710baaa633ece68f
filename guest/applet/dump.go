package applet

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

func runHexdump(c *Call) error {
	f := c.flags()
	f.BoolP("canonical", "C", true, "always on: numbers and characters")
	length := f.StringP("length", "n", "", "how many bytes")
	skip := f.StringP("skip", "s", "0", "where to start")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	start, err := parseOffset(*skip)
	if err != nil {
		return err
	}
	limit := int64(1<<63 - 1)
	if *length != "" {
		if limit, err = parseOffset(*length); err != nil {
			return err
		}
	}
	return c.eachInput(files, func(_ string, r io.Reader) error {
		if err := skipTo(r, start); err != nil {
			return err
		}
		return c.dump(io.LimitReader(r, limit), start)
	})
}

func parseOffset(s string) (int64, error) {
	if strings.HasPrefix(s, "0x") {
		return strconv.ParseInt(s, 0, 64)
	}
	return parseSize(s)
}

// skipTo passes over the start of what is read, by seeking where that works.
func skipTo(r io.Reader, offset int64) error {
	if s, ok := r.(io.Seeker); ok {
		if _, err := s.Seek(offset, io.SeekStart); err == nil {
			return nil
		}
	}
	_, err := io.CopyN(io.Discard, r, offset)
	return notEOF(err)
}

// dump prints sixteen bytes a line; lines that repeat the one before are a star.
func (c *Call) dump(r io.Reader, offset int64) error {
	var last []byte
	starred := false
	row := make([]byte, 16)
	for {
		n, err := io.ReadFull(r, row)
		if n > 0 {
			if n == 16 && bytes.Equal(row, last) {
				if !starred {
					c.printf("*\n")
				}
				starred = true
			} else {
				c.dumpRow(offset, row[:n])
				last, starred = append(last[:0], row[:n]...), false
			}
			offset += int64(n)
		}
		if err != nil {
			if last != nil {
				c.printf("%08x\n", offset)
			}
			if err == io.ErrUnexpectedEOF {
				return nil
			}
			return notEOF(err)
		}
	}
}

func (c *Call) dumpRow(offset int64, row []byte) {
	var numbers, text strings.Builder
	for i := range 16 {
		if i == 8 {
			numbers.WriteByte(' ')
		}
		if i >= len(row) {
			numbers.WriteString("   ")
			continue
		}
		fmt.Fprintf(&numbers, "%02x ", row[i])
		if row[i] >= ' ' && row[i] < 0x7F {
			text.WriteByte(row[i])
		} else {
			text.WriteByte('.')
		}
	}
	c.printf("%08x  %s |%s|\n", offset, numbers.String(), text.String())
}

func runStrings(c *Call) error {
	f := c.flags()
	shortest := f.IntP("bytes", "n", 4, "the shortest text to print")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	return c.eachInput(files, func(_ string, r io.Reader) error {
		in := bufio.NewReaderSize(r, 1<<16)
		var run []byte
		for {
			b, err := in.ReadByte()
			if err == nil && (b == '\t' || b >= ' ' && b < 0x7F) {
				run = append(run, b)
				continue
			}
			if len(run) >= *shortest {
				c.printf("%s\n", run)
			}
			run = run[:0]
			if err != nil {
				return notEOF(err)
			}
		}
	})
}
