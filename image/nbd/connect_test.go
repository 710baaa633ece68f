package nbd_test

import (
	"bytes"
	"io"
	"net"
	"testing"

	"ingot/image"
	"ingot/image/nbd"
)

// TestConnect: an NBD client at the other end, and the end of both.
func TestConnect(t *testing.T) {
	var b image.Builder
	b.Add(0, image.Bytes(bytes.Repeat([]byte("x"), 1000)), nil)
	m, err := b.Map(4096)
	if err != nil {
		t.Fatal(err)
	}
	file, err := nbd.Connect(t.Context(), m, nbd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.FileConn(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	greeting := make([]byte, 18)
	if _, err := io.ReadFull(conn, greeting); err != nil || !bytes.HasPrefix(greeting, []byte("NBDMAGICIHAVEOPT")) {
		t.Errorf("the server says %q, %v", greeting, err)
	}
}
