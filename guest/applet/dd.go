package applet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// dd is the operands of one run.
type dd struct {
	in, out, status             string
	bs, count, skip, seek       int64
	sparse, notrunc, fsync, pad bool
	direct, append              bool
	goOn                        bool
}

func parseDd(args []string) (dd, error) {
	d := dd{bs: 512, count: -1}
	numbers := map[string]*int64{"bs": &d.bs, "ibs": &d.bs, "obs": &d.bs, "count": &d.count, "skip": &d.skip, "iseek": &d.skip, "seek": &d.seek, "oseek": &d.seek}
	flags := map[string]*bool{
		"sparse": &d.sparse, "notrunc": &d.notrunc, "fsync": &d.fsync, "fdatasync": &d.fsync, "sync": &d.pad,
		"noerror": &d.goOn, "direct": &d.direct, "append": &d.append,
	}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			return d, usageError{fmt.Sprintf("%q is not an operand such as if=FILE", arg)}
		}
		if n, ok := numbers[key]; ok {
			v, err := parseSize(value)
			if err != nil {
				return d, usageError{key + ": " + err.Error()}
			}
			*n = v
			continue
		}
		switch key {
		case "if":
			d.in = value
		case "of":
			d.out = value
		case "status":
			if value != "none" && value != "noxfer" {
				return d, usageError{"unknown status " + value + "; known is none"}
			}
			d.status = value
		case "conv", "iflag", "oflag":
			for word := range strings.SplitSeq(value, ",") {
				on, ok := flags[word]
				if !ok && word != "fullblock" { // input is always read in full
					return d, usageError{fmt.Sprintf("%s=%s is not supported", key, word)}
				}
				if ok {
					*on = true
				}
			}
		default:
			return d, usageError{fmt.Sprintf("unknown operand %q", key)}
		}
	}
	if d.bs < 1 || d.bs > 1<<30 {
		return d, usageError{fmt.Sprintf("bs=%d; it is 1 to %d bytes", d.bs, 1<<30)}
	}
	return d, nil
}

// runDd copies blocks. Input is read in full blocks, also from pipes: a short
// read counted as a block has cost many people their disks.
func runDd(c *Call) error {
	d, err := parseDd(c.Args)
	if err != nil {
		return err
	}
	in, out, err := d.open(c)
	if err != nil {
		return err
	}
	start := time.Now()
	n, err := d.copy(c, in, out)
	if err == nil && d.fsync {
		err = ignoreInvalid(out.Sync())
	}
	err = closing(out, err)
	if d.status != "none" {
		took := max(time.Since(start), time.Millisecond)
		fmt.Fprintf(c.Stderr, "%d+%d records\n%d bytes (%s) copied, %.1f s, %s/s\n", n/d.bs, btoi(n%d.bs != 0), n,
			humanSize(n), took.Seconds(), humanSize(int64(float64(n)/took.Seconds())))
	}
	return err
}

// ignoreInvalid drops the error of a sync on a file that cannot be synced, such as a pipe.
func ignoreInvalid(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return err
}

func (d dd) open(c *Call) (in io.Reader, out *os.File, err error) {
	in = c.Stdin
	if d.in != "" {
		if in, err = os.Open(d.in); err != nil {
			return nil, nil, err
		}
	}
	if err := skipTo(in, d.skip*d.bs); err != nil {
		return nil, nil, err
	}
	if d.out == "" {
		stdout, ok := c.Stdout.to.(*os.File)
		if !ok {
			return nil, nil, errors.New("standard output is not a file")
		}
		return in, stdout, nil
	}
	mode := os.O_WRONLY | os.O_CREATE
	if d.append {
		mode |= os.O_APPEND
	}
	if out, err = os.OpenFile(d.out, mode, 0o666); err != nil {
		return nil, nil, err
	}
	info, err := out.Stat()
	if err == nil && info.Mode().IsRegular() && !d.notrunc && !d.append {
		err = out.Truncate(d.seek * d.bs)
	}
	if err == nil && d.seek > 0 {
		_, err = out.Seek(d.seek*d.bs, io.SeekStart)
	}
	return in, out, err
}

func (d dd) copy(c *Call, in io.Reader, out *os.File) (total int64, err error) {
	block := make([]byte, d.bs)
	zeros := make([]byte, d.bs)
	hole := false // the end is a hole so far
	for i := int64(0); d.count < 0 || i < d.count; i++ {
		n, err := io.ReadFull(in, block)
		ended := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !ended {
			if !d.goOn {
				return total, err
			}
			// conv=noerror leaves out unreadable blocks, or writes zeros with conv=sync.
			c.warn(err)
			if s, ok := in.(io.Seeker); ok {
				if _, err := s.Seek((d.skip+i+1)*d.bs, io.SeekStart); err != nil {
					return total, err
				}
			}
		}
		if d.pad && n < len(block) && (n > 0 || !ended) {
			clear(block[n:])
			n = len(block)
		}
		if hole = d.sparse && n > 0 && slices.Equal(block[:n], zeros[:n]); hole {
			_, err = out.Seek(int64(n), io.SeekCurrent)
		} else if n > 0 {
			_, err = out.Write(block[:n])
		} else {
			err = nil
		}
		total += int64(n)
		if err != nil {
			return total, err
		}
		if ended {
			break
		}
	}
	if at, err := out.Seek(0, io.SeekCurrent); hole && err == nil {
		return total, ignoreInvalid(out.Truncate(at))
	}
	return total, nil
}
