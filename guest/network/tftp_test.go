package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
)

// tftpServer serves one file to one client, as RFC 1350 has it, and loses every lose-th
// packet that it sends.
type tftpServer struct {
	data    []byte
	options string // what it answers the options with; empty: it knows none
	block   int
	lose    int
	refuse  string
	sent    int
}

func (s *tftpServer) start(t *testing.T) net.Addr {
	t.Helper()
	first, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0") // answers come from another port
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { first.Close(); conn.Close() })
	go s.serve(first, conn)
	return first.LocalAddr()
}

func (s *tftpServer) serve(first, conn net.PacketConn) {
	p := make([]byte, 2048)
	_, client, err := first.ReadFrom(p)
	if err != nil {
		return
	}
	block := 1
	switch {
	case s.refuse != "":
		s.send(conn, client, append([]byte{0, tftpError, 0, 1}, s.refuse+"\x00"...))
		return
	case s.options != "":
		block = 0
	}
	for {
		packet := append([]byte{0, tftpOptions}, s.options...)
		if block > 0 {
			at := min((block-1)*s.block, len(s.data))
			end := min(at+s.block, len(s.data))
			packet = binary.BigEndian.AppendUint16([]byte{0, tftpData}, uint16(block))
			packet = append(packet, s.data[at:end]...)
		}
		s.send(conn, client, packet)
		n, _, err := conn.ReadFrom(p)
		if err != nil {
			return
		}
		if n == 4 && p[1] == tftpAck && binary.BigEndian.Uint16(p[2:]) == uint16(block) {
			if block > 0 && len(packet) < 4+s.block {
				return
			}
			block++
		}
	}
}

func (s *tftpServer) send(conn net.PacketConn, to net.Addr, p []byte) {
	if s.sent++; s.lose == 0 || s.sent%s.lose != 0 {
		_, _ = conn.WriteTo(p, to)
	}
}

func TestTFTP(t *testing.T) {
	data := make([]byte, 20<<20)
	for i := 0; i < len(data); i += 8 {
		binary.NativeEndian.PutUint64(data[i:], rand.Uint64())
	}
	for _, x := range []struct {
		name   string
		server tftpServer
		size   int64
	}{
		{"plain", tftpServer{data: data[:5000], block: 512}, -1},
		{"whole blocks", tftpServer{data: data[:1024], block: 512}, -1},
		{"empty", tftpServer{block: 512}, -1},
		{"options", tftpServer{data: data[:100000], block: 1428, options: "tsize\x00100000\x00blksize\x001428\x00"}, 100000},
		{"numbers that begin anew", tftpServer{data: data, block: 256, options: "TSIZE\x0020971520\x00BLKSIZE\x00256\x00"}, 20 << 20},
		{"losses", tftpServer{data: data[:3000], block: 512, lose: 5}, -1},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			tr, err := transferFrom(x.server.start(t), "file")
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			size := int64(-2)
			n, err := tr.run(t.Context(), func(s int64) (io.Writer, error) { size = s; return &got, nil })
			if err != nil || n != int64(len(x.server.data)) || size != x.size || !bytes.Equal(got.Bytes(), x.server.data) {
				t.Errorf("%d bytes, announced as %d, %v; want %d, announced as %d", n, size, err, len(x.server.data), x.size)
			}
		})
	}
}

func TestTFTPRefused(t *testing.T) {
	for _, x := range []struct {
		name, want string
		server     tftpServer
		size       error
	}{
		{"no such file", `the server says "File not found"`, tftpServer{refuse: "File not found"}, nil},
		{"blocks too large", "the server wants blocks of 9000 bytes; at most 1428 were offered", tftpServer{block: 9000, options: "blksize\x009000\x00"}, nil},
		{"no number", `the server's option tsize="many" is not a number`, tftpServer{block: 512, options: "tsize\x00many\x00"}, nil},
		{"no room", "no room", tftpServer{data: make([]byte, 600), block: 512}, errors.New("no room")},
	} {
		tr, err := transferFrom(x.server.start(t), "file")
		if err != nil {
			t.Fatal(err)
		}
		_, err = tr.run(t.Context(), func(int64) (io.Writer, error) { return new(bytes.Buffer), x.size })
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v; want %q", x.name, err, x.want)
		}
	}
}
