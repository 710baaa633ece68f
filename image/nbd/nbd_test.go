package nbd

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ingot/image"
)

// served is a server under test.
type served struct {
	t      *testing.T
	socket string
	cancel context.CancelFunc
	done   chan error

	mu     sync.Mutex
	failed []string
}

func serve(t *testing.T, disk *image.Map) *served {
	t.Helper()
	dir, err := os.MkdirTemp("", "nbd") // t.TempDir may be too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, socket: filepath.Join(dir, "socket"), done: make(chan error, 1)}
	l, err := net.Listen("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	go func() {
		s.done <- (&Server{Options{Failed: func(err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.failed = append(s.failed, err.Error())
		}}, []Export{{Disk: disk}}}).Serve(ctx, l)
	}()
	t.Cleanup(func() {
		s.stop()
		os.RemoveAll(dir)
	})
	return s
}

// stop ends the server, which must end its clients and return.
func (s *served) stop() {
	s.cancel()
	if err, ok := <-s.done; ok {
		close(s.done)
		if err != nil {
			s.t.Errorf("Serve = %v; want nil", err)
		}
	}
}

func (s *served) uri() string { return "nbd+unix:///?socket=" + s.socket }

func (s *served) failures() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.failed, "; ")
}

func qemu(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: install qemu-utils", args[0])
		}
		t.Skipf("%s is missing: install qemu-utils", args[0])
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return string(out)
}

// sample is a disk of files, memory, computed bytes and holes.
func sample(t *testing.T) *image.Map {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(r.Uint32()) | 1
		}
		return p
	}
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, random(3<<20+5), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := image.NewHostFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b image.Builder
	b.Add(512, image.Bytes(random(100)), nil)
	b.Add(1<<20, f, &image.Owner{Name: "the file"})
	b.Add(8<<20, image.Computed(1<<20, func(p []byte, off int64) error {
		for i := range p {
			p[i] = byte(off+int64(i)) | 1
		}
		return nil
	}), nil)
	b.Add(1<<40, image.Bytes(random(4096)), nil)
	m, err := b.Map(1<<40 + 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// QEMU sees the same bytes as in the raw image, and the holes.
func TestQEMU(t *testing.T) {
	m := sample(t)
	s := serve(t, m)
	raw := filepath.Join(t.TempDir(), "raw")
	if err := image.WriteRaw(context.Background(), m, raw, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	qemu(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", raw, s.uri())
	var got []struct {
		Start, Length int64
		Data          bool
	}
	if err := json.Unmarshal([]byte(qemu(t, "qemu-img", "map", "--output=json", "-f", "raw", s.uri())), &got); err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, g := range got {
		if g.Data {
			text += fmt.Sprintf("%d+%d ", g.Start, g.Length)
		}
	}
	// QEMU rounds to sectors, and what is shorter than a block counts as data.
	if want := "0+612 1048576+3145733 8388608+1048576 1099511627776+4096 "; text != want {
		t.Errorf("data at %s; want %s", text, want)
	}
	copied := filepath.Join(t.TempDir(), "copied")
	qemu(t, "qemu-img", "convert", "-f", "raw", "-O", "raw", s.uri(), copied)
	f, err := os.Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if diffs, err := image.Compare(context.Background(), m, f, image.WriteOptions{}); err != nil || len(diffs) > 0 {
		t.Errorf("Compare = %v, %v; want no difference", diffs, err)
	}
	info := qemu(t, "qemu-img", "info", "-f", "raw", s.uri())
	if want := fmt.Sprintf("(%d bytes)", m.Size()); !strings.Contains(info, want) {
		t.Errorf("qemu-img info:\n%s\nwant %s", info, want)
	}
	if f := s.failures(); f != "" {
		t.Errorf("failures: %s", f)
	}
	// It cannot be written to.
	if out, err := exec.Command("qemu-io", "-f", "raw", "-c", "write 0 512", s.uri()).CombinedOutput(); !strings.Contains(string(out), "read-only") && err == nil {
		t.Errorf("qemu-io write: %s", out)
	}
}

// client is a client of our own, for what QEMU does not do.
type client struct {
	t *testing.T
	net.Conn
}

func dial(t *testing.T, s *served) *client {
	t.Helper()
	c, err := net.Dial("unix", s.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{t, c}
}

func (c *client) send(values ...any) {
	c.t.Helper()
	if err := put(c, values...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) get(n int) []byte {
	c.t.Helper()
	p := make([]byte, n)
	if _, err := io.ReadFull(c, p); err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (c *client) uint32() uint32 { return binary.BigEndian.Uint32(c.get(4)) }

// hello does the handshake.
func (c *client) hello(flags uint32) *client {
	c.t.Helper()
	if got := string(c.get(16)); got != "NBDMAGICIHAVEOPT" {
		c.t.Fatalf("the server says %q", got)
	}
	c.get(2)
	c.send(flags)
	return c
}

// option sends an option and returns the types of the replies, up to the last.
func (c *client) option(opt uint32, data ...byte) (kinds []uint32) {
	c.t.Helper()
	c.send(uint64(magicOption), opt, uint32(len(data)), data)
	for {
		if got := binary.BigEndian.Uint64(c.get(8)); got != magicOptionReply {
			c.t.Fatalf("the reply begins with %#x", got)
		}
		if got := c.uint32(); got != opt {
			c.t.Fatalf("the reply is to option %d; want %d", got, opt)
		}
		kind, length := c.uint32(), c.uint32()
		c.get(int(length))
		if kinds = append(kinds, kind); kind == repAck || kind >= 1<<31 {
			return kinds
		}
	}
}

func (c *client) request(kind, flags uint16, off uint64, n uint32) {
	c.t.Helper()
	c.send(uint32(magicRequest), flags, kind, uint64(0x1122334455667788), off, n)
}

// simple returns the error of a simple reply.
func (c *client) simple() uint32 {
	c.t.Helper()
	if got := c.uint32(); got != magicSimpleReply {
		c.t.Fatalf("the reply begins with %#x", got)
	}
	errno := c.uint32()
	if got := binary.BigEndian.Uint64(c.get(8)); got != 0x1122334455667788 {
		c.t.Fatalf("cookie %#x", got)
	}
	return errno
}

// An old client knows one option only.
func TestOldClient(t *testing.T) {
	m := sample(t)
	s := serve(t, m)
	for _, flags := range []uint32{0, flagFixedNewstyle, flagFixedNewstyle | flagNoZeroes} {
		c := dial(t, s).hello(flags)
		c.send(uint64(magicOption), uint32(optExportName), uint32(0))
		if got := binary.BigEndian.Uint64(c.get(8)); got != uint64(m.Size()) {
			t.Errorf("size = %d; want %d", got, m.Size())
		}
		if got := binary.BigEndian.Uint16(c.get(2)); got != flagHasFlags|flagReadOnly|flagSendFlush|flagCanMultiConn {
			t.Errorf("flags = %#x", got)
		}
		if flags&flagNoZeroes == 0 {
			c.get(124)
		}
		for _, r := range []struct{ off, n int64 }{{0, 2000}, {1 << 20, 3 << 20}, {1<<20 - 100, 200}, {m.Size() - 512, 512}} {
			want := make([]byte, r.n)
			if _, err := m.ReadAt(want, r.off); err != nil {
				t.Fatal(err)
			}
			c.request(cmdRead, 0, uint64(r.off), uint32(r.n))
			if errno := c.simple(); errno != 0 {
				t.Fatalf("read: error %d", errno)
			}
			if got := c.get(int(r.n)); !bytes.Equal(got, want) {
				t.Errorf("%d bytes at %d differ", r.n, r.off)
			}
		}
		for _, r := range []struct {
			kind uint16
			off  uint64
			n    uint32
			want uint32
		}{
			{cmdFlush, 0, 0, 0},
			{cmdRead, 0, 0, errInval},
			{cmdRead, uint64(m.Size()), 1, errInval},
			{cmdRead, uint64(m.Size()) - 1, 2, errInval},
			{cmdRead, 1<<64 - 1, 2, errInval},
			{cmdRead, 0, maxRead + 1, errInval},
			{cmdTrim, 0, 512, errPerm},
			{cmdWriteZeroes, 0, 512, errPerm},
			{cmdBlockStatus, 0, 512, errInval},
			{99, 0, 512, errInval},
		} {
			c.request(r.kind, 0, r.off, r.n)
			if errno := c.simple(); errno != r.want {
				t.Errorf("command %d of %d bytes at %d: error %d; want %d", r.kind, r.n, r.off, errno, r.want)
			}
		}
		c.request(cmdWrite, 0, 0, 512)
		c.send(make([]byte, 512))
		if errno := c.simple(); errno != errPerm {
			t.Errorf("write: error %d; want %d", errno, errPerm)
		}
		c.request(cmdDisc, 0, 0, 0)
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the end the server says %d bytes, %v", n, err)
		}
	}
	if f := s.failures(); f != "" {
		t.Errorf("failures: %s", f)
	}
}

func TestOptions(t *testing.T) {
	s := serve(t, sample(t))
	c := dial(t, s).hello(flagFixedNewstyle | flagNoZeroes)
	name := func(s string, rest ...byte) []byte {
		return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...), rest...)
	}
	query := append(name("", 0, 0, 0, 1), name(contextAllocation)...)
	for _, o := range []struct {
		opt  uint32
		data []byte
		want string
	}{
		{optList, nil, "[2 1]"},
		{optInfo, name("", 0, 0), "[3 1]"},
		{optInfo, name("", 0, 1, 0, infoBlockSize), "[3 3 1]"},
		{optInfo, name("other", 0, 0), fmt.Sprint([]uint32{repErrUnknown})},
		{optInfo, []byte{0}, fmt.Sprint([]uint32{repErrInvalid})},
		{optInfo, []byte{255, 255, 255, 255, 0, 0}, fmt.Sprint([]uint32{repErrInvalid})},
		{optInfo, name("", 255, 255, 0, 3), fmt.Sprint([]uint32{repErrInvalid})},
		{optGo, name("other", 0, 0), fmt.Sprint([]uint32{repErrUnknown})},
		{5, nil, fmt.Sprint([]uint32{repErrUnsup})}, // STARTTLS
		{77, make([]byte, maxOption), fmt.Sprint([]uint32{repErrUnsup})},
		{77, make([]byte, maxOption+1), fmt.Sprint([]uint32{repErrTooBig})},
		{optSetMetaContext, query, fmt.Sprint([]uint32{repErrInvalid})}, // structured replies come first
		{optStructuredReply, []byte{1}, fmt.Sprint([]uint32{repErrInvalid})},
		{optStructuredReply, nil, "[1]"},
		{optListMetaContext, name("", 0, 0, 0, 0), "[4 1]"},
		{optListMetaContext, append(name("", 0, 0, 0, 1), name("base:")...), "[4 1]"},
		{optListMetaContext, append(name("", 0, 0, 0, 1), name("qemu:x")...), "[1]"},
		{optListMetaContext, name("", 255, 255, 255, 255), fmt.Sprint([]uint32{repErrInvalid})},
		{optSetMetaContext, append(name("other", 0, 0, 0, 1), name(contextAllocation)...), fmt.Sprint([]uint32{repErrUnknown})},
		{optSetMetaContext, query, "[4 1]"},
		{optGo, name("", 0, 0), "[3 1]"},
	} {
		if got := fmt.Sprint(c.option(o.opt, o.data...)); got != o.want {
			t.Errorf("option %d (%d bytes) = %s; want %s", o.opt, len(o.data), got, o.want)
		}
	}
	// Now in transmission: one run only, where that is asked for.
	c.request(cmdBlockStatus, cmdFlagReqOne, 0, 4<<20)
	got := c.get(20 + 4 + 8)
	want := []byte{0x66, 0x8e, 0x33, 0xef, 0, replyFlagDone, 0, replyTypeBlockStatus, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0, 0, 0, 12, 0, 0, 0, contextID, 0, 0, 2, 100, 0, 0, 0, 0}
	if !bytes.Equal(got, want) {
		t.Errorf("block status = %x; want %x", got, want)
	}
	// A read that is not to be cut into pieces.
	c.request(cmdRead, cmdFlagDF, 0, 1<<20)
	if got := c.get(20 + 8); binary.BigEndian.Uint16(got[4:]) != replyFlagDone || binary.BigEndian.Uint32(got[16:]) != 8+1<<20 {
		t.Errorf("read = %x; want all in one piece", got)
	}
	c.get(1 << 20)
	c = dial(t, s).hello(flagFixedNewstyle)
	if got := fmt.Sprint(c.option(optAbort)); got != "[1]" {
		t.Errorf("abort = %s; want [1]", got)
	}
	if f := s.failures(); f != "" {
		t.Errorf("failures: %s", f)
	}
}

// A source that changed is an I/O error for the client, and told to the caller.
func TestChangedSource(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 8192), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := image.NewHostFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b image.Builder
	b.Add(4096, f, &image.Owner{Name: "/bin/sh"})
	m, err := b.Map(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, m)
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	c := dial(t, s).hello(flagFixedNewstyle | flagNoZeroes)
	c.send(uint64(magicOption), uint32(optExportName), uint32(0))
	c.get(10)
	c.request(cmdRead, 0, 0, 1<<16)
	if errno := c.simple(); errno != errIO {
		t.Errorf("read: error %d; want %d", errno, errIO)
	}
	c.request(cmdRead, 0, 1<<16, 512) // the rest can still be read
	if errno := c.simple(); errno != 0 {
		t.Errorf("read: error %d", errno)
	}
	if got, want := s.failures(), "/bin/sh: "+path+" was 8192 bytes long"; !strings.HasPrefix(got, want) {
		t.Errorf("failures: %q; want %s…", got, want)
	}
	out, err := exec.Command("qemu-img", "convert", "-f", "raw", "-O", "raw", s.uri(), filepath.Join(t.TempDir(), "out")).CombinedOutput()
	if err == nil {
		t.Errorf("qemu-img convert succeeded: %s", out)
	}
}

// Clients that talk nonsense, or go away in the middle, harm nobody else.
func TestNonsense(t *testing.T) {
	m := sample(t)
	s := serve(t, m)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 200 {
		c := dial(t, s)
		junk := make([]byte, r.IntN(300))
		for k := range junk {
			junk[k] = byte(r.Uint32())
		}
		if i%2 == 0 {
			c.hello(flagFixedNewstyle)
		}
		if i%4 == 0 {
			c.send(uint64(magicOption), uint32(optExportName), uint32(0))
		}
		c.Write(junk) // the server may have closed already
		c.Close()
	}
	flags := dial(t, s).hello(0xffff_ffff)
	if _, err := flags.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after unknown flags the server says %v; want the end", err)
	}
	for range 20 { // asks for much and does not take it
		c := dial(t, s).hello(flagFixedNewstyle | flagNoZeroes)
		c.send(uint64(magicOption), uint32(optExportName), uint32(0))
		for range 10 {
			c.request(cmdRead, 0, 0, 16<<20)
		}
		c.Close()
	}
	stuck := dial(t, s).hello(flagFixedNewstyle | flagNoZeroes)
	stuck.send(uint64(magicOption), uint32(optExportName), uint32(0))
	for range 10 {
		stuck.request(cmdRead, 0, 0, maxRead)
	}
	c := dial(t, s).hello(flagFixedNewstyle | flagNoZeroes)
	c.send(uint64(magicOption), uint32(optExportName), uint32(0))
	c.get(10)
	c.request(cmdRead, 0, 1<<20, 100)
	if errno := c.simple(); errno != 0 {
		t.Errorf("read: error %d", errno)
	}
	if got, want := s.failures(), "nbd negotiation: client sends unknown flags 0xfffffffc"; !strings.Contains(got, want) {
		t.Errorf("failures: %q; want %s among them", got, want)
	}
	s.stop() // with both clients connected
	if _, err := net.Dial("unix", s.socket); err == nil {
		t.Error("the server still listens")
	}
}

func TestListenerFails(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := (&Server{Options{}, []Export{{Disk: image.Hole(1)}}}).Serve(context.Background(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve = %v; want %v", err, net.ErrClosed)
	}
}

func FuzzClient(f *testing.F) {
	var hello, old bytes.Buffer
	put(&hello, uint32(flagFixedNewstyle), uint64(magicOption), uint32(optStructuredReply), uint32(0), uint64(magicOption), uint32(optGo), uint32(6), make([]byte, 6))
	put(&old, uint32(0), uint64(magicOption), uint32(optExportName), uint32(0))
	for _, start := range []*bytes.Buffer{&hello, &old} {
		put(start, uint32(magicRequest), uint16(0), uint16(cmdRead), uint64(1), uint64(0), uint32(8192))
		f.Add(start.Bytes())
	}
	var b image.Builder
	b.Add(5000, image.Bytes("data"), nil)
	m, err := b.Map(1 << 20)
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, said []byte) {
		ours, theirs := net.Pipe()
		done := make(chan error)
		overlay, err := TemporaryOverlay(m, dir)
		if err != nil {
			t.Fatal(err)
		}
		defer overlay.Close()
		go func() {
			s := &Server{exports: []Export{{Disk: m, Overlay: overlay}}}
			done <- s.ServeConn(context.Background(), theirs)
		}()
		go io.Copy(io.Discard, ours)
		ours.Write(said)
		ours.Close()
		<-done
	})
}

// put sends values as the protocol has them.
func put(w io.Writer, values ...any) error {
	_, err := w.Write(encode(values...))
	return err
}

// openFile is a file that stays open.
type openFile struct {
	io.ReaderAt
	size int64
}

func (f openFile) Size() int64 { return f.size }

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 64<<20), 0o644); err != nil {
		b.Fatal(err)
	}
	f, err := image.NewHostFile(path)
	if err != nil {
		b.Fatal(err)
	}
	h, err := f.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	memory := bytes.Repeat([]byte("x"), 64<<20)
	for name, src := range map[string]image.Blob{"memory": image.Bytes(memory), "file": f, "open file": openFile{h, 64 << 20}} {
		var build image.Builder
		build.Add(0, src, nil)
		m, err := build.Map(64 << 20)
		if err != nil {
			b.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go (&Server{Options{}, []Export{{Disk: m}}}).Serve(ctx, l)
		socket, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		put(socket, uint32(flagNoZeroes), uint64(magicOption), uint32(optExportName), uint32(0))
		io.CopyN(io.Discard, socket, 18+10)
		for _, size := range []int{4 << 10, 128 << 10} {
			b.Run(fmt.Sprintf("%s-%dK", name, size>>10), func(b *testing.B) {
				b.SetBytes(int64(size))
				p, off := make([]byte, 16+size), 0
				for b.Loop() {
					put(socket, uint32(magicRequest), uint16(0), uint16(cmdRead), uint64(1), uint64(off), uint32(size))
					if _, err := io.ReadFull(socket, p); err != nil {
						b.Fatal(err)
					}
					off = (off + size) % (64 << 20)
				}
			})
		}
	}
}
