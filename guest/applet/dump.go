package applet

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// runHexdump reads all files as one.
func runHexdump(c *Call) error {
	canonical := c.flags.BoolP("canonical", "C", false, "bytes and characters, not numbers of two bytes")
	all := c.flags.BoolP("no-squeezing", "v", false, "also lines that equal the one before")
	limit := option(c, "length", "n", math.MaxInt64, "how many `BYTES`", parseOffset)
	start := option(c, "skip", "s", 0, "start at this `OFFSET`", parseOffset)
	files := c.parse(0, -1)
	d := &dumper{Call: c, row: pairs, end: "%07x\n", all: *all}
	if *canonical {
		d.row, d.end = canonicalRow, "%08x\n"
	}
	var open []io.Reader
	for _, name := range orElse(files, "-") {
		in, err := c.open(name)
		if err != nil {
			c.warn(err)
			continue
		}
		defer in.Close()
		open = append(open, in)
	}
	if len(open) == 1 { // it may be able to seek
		return d.dump(open[0], *start, *limit)
	}
	return d.dump(io.MultiReader(open...), *start, *limit)
}

func parseOffset(s string) (int64, error) {
	if strings.HasPrefix(s, "0x") {
		return strconv.ParseInt(s, 0, 64)
	}
	return parseSize(s)
}

// skipTo skips the next bytes of a reader, by seeking where that works.
func skipTo(r io.Reader, offset int64) error {
	if s, ok := r.(io.Seeker); ok {
		if _, err := s.Seek(offset, io.SeekCurrent); err == nil {
			return nil
		}
	}
	_, err := io.CopyN(io.Discard, r, offset)
	return notEOF(err)
}

// dumper prints sixteen bytes a line; lines that repeat the one before are a star.
type dumper struct {
	*Call
	row func(offset int64, row []byte) string
	end string // the format of the last offset
	all bool
}

func (d *dumper) dump(r io.Reader, offset, limit int64) error {
	if err := skipTo(r, offset); err != nil {
		return err
	}
	r = io.LimitReader(r, limit)
	var last []byte
	starred := false
	row := make([]byte, 16)
	for {
		n, err := io.ReadFull(r, row)
		switch {
		case n == 16 && !d.all && bytes.Equal(row, last):
			if !starred {
				d.printf("*\n")
			}
			starred = true
		case n > 0:
			d.printf("%s", d.row(offset, row[:n]))
			last, starred = append(last[:0], row[:n]...), false
		}
		offset += int64(n)
		if err != nil {
			if last != nil {
				d.printf(d.end, offset)
			}
			if err == io.ErrUnexpectedEOF {
				return nil
			}
			return notEOF(err)
		}
	}
}

// canonicalRow is hex.Dump's row, with an offset of its own.
func canonicalRow(offset int64, row []byte) string {
	const offsetDigits = 8
	return fmt.Sprintf("%08x%s", offset, hex.Dump(row)[offsetDigits:])
}

// pairs prints numbers of two bytes, in little-endian byte order.
func pairs(offset int64, row []byte) string {
	out := fmt.Sprintf("%07x", offset)
	for i := 0; i < 16; i += 2 {
		switch {
		case i >= len(row):
			out += "     "
		case i+1 == len(row):
			out += fmt.Sprintf(" %04x", row[i])
		default:
			out += fmt.Sprintf(" %02x%02x", row[i+1], row[i])
		}
	}
	return out + "\n"
}

func runStrings(c *Call) error {
	c.flags.BoolP("all", "a", true, "always on: all of the file")
	shortest := option(c, "bytes", "n", 4, "the shortest `LENGTH` of texts to print; default 4", parseNumber)
	c.Args = oldCount(c.Args)
	files := c.parse(0, -1)
	if *shortest == 0 {
		return usageError{"the length must be at least 1"}
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
