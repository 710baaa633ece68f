package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// nbd reads the whole disk of the closure over a Unix socket, one after the other, from
// the page cache: as it is served from the closure's files, and from an image of it.
func (b *bench) nbd() error {
	if err := warm(b.dir); err != nil {
		return err
	}
	file := func(name string) string { return filepath.Join(b.dir, name) }
	name, img := file("bench.yaml"), file("nbd.img")
	if err := os.WriteFile(name, []byte(recipe), 0o644); err != nil {
		return err
	}
	defer os.Remove(img)
	if out, err := exec.Command(b.ingot, "build", name, "-q", "--no-sync", "--no-manifest", "-o", img).CombinedOutput(); err != nil {
		return fmt.Errorf("ingot build: %w\n%s", err, out)
	}
	dir, err := os.MkdirTemp("", "nbd") // a socket's path is short
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var contestants []contestant
	for _, server := range []contestant{
		{name: "ingot serve RECIPE", args: []string{b.ingot, "serve", "-q", name, "--socket"}},
		{name: "ingot serve IMAGE", args: []string{b.ingot, "serve", "-q", img, "--socket"}},
		{name: "qemu-nbd IMAGE", args: []string{"qemu-nbd", "-r", "-t", "-f", "raw", img, "--socket"}, aim: 1},
	} {
		socket := filepath.Join(dir, fmt.Sprint(len(contestants)))
		stop, err := background(append(server.args, socket), socket)
		if err != nil {
			return err
		}
		defer stop()
		contestants = append(contestants, contestant{name: server.name, aim: server.aim, args: []string{b.self, "work", "nbd", socket}})
	}
	contestants = append(contestants, contestant{name: "cat IMAGE", args: []string{"sh", "-c", `cat "$1" | cat > /dev/null`, "sh", img}})
	results, err := race(b.runs, contestants)
	if err != nil {
		return err
	}
	table(os.Stdout, "nbd: the disk of the closure read over a Unix socket, from the page cache; at least 1 GB/s", results)
	return nil
}

// background starts a server and waits until its socket can be connected to.
func background(args []string, socket string) (stop func(), err error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		cmd.Process.Signal(os.Interrupt)
		cmd.Wait()
	}
	for range 600 {
		if c, err := net.Dial("unix", socket); err == nil {
			c.Close()
			return stop, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	return nil, errors.New(strings.Join(args, " ") + ": no socket after a minute")
}

// The parts of the protocol that a client needs that only reads:
// https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
const (
	nbdOption      = 0x49484156454f5054
	nbdExportName  = 1
	nbdNoZeroes    = 3 // with fixed newstyle negotiation
	nbdRequest     = 0x25609513
	nbdSimpleReply = 0x67446698
	nbdRead        = 256 << 10
	nbdInFlight    = 16
)

// workNBD reads all of the export without a name: SOCKET.
func workNBD(args []string) error {
	c, err := net.Dial("unix", args[0])
	if err != nil {
		return err
	}
	defer c.Close()
	hello := binary.BigEndian.AppendUint32(nil, nbdNoZeroes)
	hello = binary.BigEndian.AppendUint64(hello, nbdOption)
	hello = binary.BigEndian.AppendUint32(hello, nbdExportName)
	if _, err := c.Write(binary.BigEndian.AppendUint32(hello, 0)); err != nil {
		return err
	}
	var greeting [18 + 10]byte
	if _, err := io.ReadFull(c, greeting[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint64(greeting[18:])
	start := time.Now()
	if err := readAll(c, size); err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	fmt.Printf("%.2f GB/s, %d MiB\n", float64(size)/took/1e9, size>>20)
	return nil
}

// readAll keeps some reads on their way.
func readAll(c net.Conn, size uint64) error {
	room := make(chan struct{}, nbdInFlight)
	failed := make(chan error, 1)
	go func() {
		for off := uint64(0); off < size; off += nbdRead {
			room <- struct{}{}
			q := binary.BigEndian.AppendUint32(nil, nbdRequest)
			q = binary.BigEndian.AppendUint32(q, 0)   // read
			q = binary.BigEndian.AppendUint64(q, off) // the cookie, too
			q = binary.BigEndian.AppendUint64(q, off)
			if _, err := c.Write(binary.BigEndian.AppendUint32(q, uint32(min(nbdRead, size-off)))); err != nil {
				failed <- err
				return
			}
		}
	}()
	r := bufio.NewReaderSize(c, 4096)
	buf := make([]byte, nbdRead)
	for done := uint64(0); done < size; {
		var head [16]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			select {
			case err = <-failed:
			default:
			}
			return err
		}
		if magic, errno := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:]); magic != nbdSimpleReply || errno != 0 {
			return fmt.Errorf("reply %#x with error %d", magic, errno)
		}
		n := min(nbdRead, size-binary.BigEndian.Uint64(head[8:]))
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return err
		}
		done += n
		<-room
	}
	return nil
}
