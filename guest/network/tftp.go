package network

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// The packets of TFTP: RFC 1350, with the options of RFC 2347 to 2349.
const (
	tftpRead    = 1
	tftpData    = 3
	tftpAck     = 4
	tftpError   = 5
	tftpOptions = 6

	tftpPort      = "69"
	tftpBlock     = 512  // of a server without options
	tftpWantBlock = 1428 // fills a packet of Ethernet: 1500 less 20, 8, 4 and room for a tunnel
	tftpTries     = 6
	tftpPatience  = time.Second
)

// TFTP fetches a file into the writer that create returns. It passes create the file's size, or
// -1 if the server does not tell.
func TFTP(ctx context.Context, host, file string, create func(size int64) (io.Writer, error)) (int64, error) {
	t, err := newTransfer(ctx, host, file)
	if err != nil {
		return 0, fmt.Errorf("tftp %s: %w", host, err)
	}
	defer t.conn.Close()
	n, err := t.run(ctx, create)
	if err != nil {
		return n, fmt.Errorf("tftp %s: %s: %w", host, file, err)
	}
	return n, nil
}

// transfer is one file on its way.
type transfer struct {
	conn   net.PacketConn
	server net.Addr // the port changes with the first answer
	fixed  bool     // it has
	last   []byte   // what was sent last, to be sent again
	block  int      // bytes in a full block
}

func newTransfer(ctx context.Context, host, file string) (*transfer, error) {
	if strings.ContainsRune(file, 0) {
		return nil, errors.New("a name with a zero byte")
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return nil, err
	}
	server, err := net.ResolveUDPAddr("udp4", net.JoinHostPort(addresses[0].String(), tftpPort))
	if err != nil {
		return nil, err
	}
	return transferFrom(server, file)
}

// transferFrom prepares the request for a file.
func transferFrom(server net.Addr, file string) (*transfer, error) {
	conn, err := net.ListenPacket("udp4", ":0")
	if err != nil {
		return nil, err
	}
	request := binary.BigEndian.AppendUint16(nil, tftpRead)
	for _, word := range []string{file, "octet", "tsize", "0", "blksize", strconv.Itoa(tftpWantBlock)} {
		request = append(append(request, word...), 0)
	}
	return &transfer{conn: conn, server: server, last: request, block: tftpBlock}, nil
}

// run requests the file and acknowledges block by block.
func (t *transfer) run(ctx context.Context, create func(size int64) (io.Writer, error)) (n int64, err error) {
	var w io.Writer
	for want := uint16(1); ; {
		kind, body, err := t.exchange(ctx, want)
		if err != nil {
			return n, err
		}
		total := int64(-1)
		if kind == tftpOptions {
			if total, err = t.accept(body); err != nil {
				return n, err
			}
		}
		if w == nil {
			if w, err = create(total); err != nil {
				return n, err
			}
		}
		if kind == tftpOptions {
			t.last = acknowledge(0)
			continue
		}
		if _, err := w.Write(body); err != nil {
			return n, err
		}
		n += int64(len(body))
		t.last = acknowledge(want)
		if len(body) < t.block {
			_, err := t.conn.WriteTo(t.last, t.server)
			return n, err
		}
		want++ // and from 65535 to 0, as servers do
	}
}

func acknowledge(block uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, tftpAck), block)
}

// exchange sends the last packet until the wanted block or the options arrive.
func (t *transfer) exchange(ctx context.Context, want uint16) (kind uint16, body []byte, err error) {
	packet := make([]byte, 1<<16)
	for range tftpTries {
		if _, err := t.conn.WriteTo(t.last, t.server); err != nil {
			return 0, nil, err
		}
		deadline := time.Now().Add(tftpPatience)
		if err := t.conn.SetReadDeadline(deadline); err != nil {
			return 0, nil, err
		}
		for {
			if ctx.Err() != nil {
				return 0, nil, ctx.Err()
			}
			n, from, err := t.conn.ReadFrom(packet)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break // once more
			}
			if err != nil {
				return 0, nil, err
			}
			if kind, body, err = t.look(packet[:n], from, want); err != nil || kind != 0 {
				return kind, body, err
			}
		}
	}
	return 0, nil, fmt.Errorf("no answer in %v", tftpTries*tftpPatience)
}

// look returns the kind of a packet, or 0 for one from elsewhere or one that came before.
func (t *transfer) look(p []byte, from net.Addr, want uint16) (kind uint16, body []byte, err error) {
	if len(p) < 4 || t.fixed && from.String() != t.server.String() {
		return 0, nil, nil
	}
	switch kind = binary.BigEndian.Uint16(p); {
	case kind == tftpError:
		text, _, _ := bytes.Cut(p[4:], []byte{0})
		return 0, nil, fmt.Errorf("the server says %q", text)
	case kind == tftpData && binary.BigEndian.Uint16(p[2:]) == want:
		t.server, t.fixed = from, true
		return kind, p[4:], nil
	case kind == tftpOptions && !t.fixed:
		t.server, t.fixed = from, true
		return kind, p[2:], nil
	}
	return 0, nil, nil
}

// accept reads the options that the server accepts.
func (t *transfer) accept(options []byte) (size int64, err error) {
	words := strings.Split(strings.TrimSuffix(string(options), "\x00"), "\x00")
	size = -1
	for i := 0; i+1 < len(words); i += 2 {
		n, err := strconv.ParseInt(words[i+1], 10, 62)
		if err != nil {
			return 0, fmt.Errorf("the server's option %s=%q is not a number", words[i], words[i+1])
		}
		switch strings.ToLower(words[i]) {
		case "tsize":
			size = n
		case "blksize":
			if n < 8 || n > tftpWantBlock {
				return 0, fmt.Errorf("the server wants blocks of %d bytes; at most %d were offered", n, tftpWantBlock)
			}
			t.block = int(n)
		}
	}
	return size, nil
}
