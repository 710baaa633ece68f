package initramfs

import (
	"bytes"
	"testing"
)

// FuzzUnsigned takes the signatures off modules.
func FuzzUnsigned(f *testing.F) {
	f.Add([]byte("object"), []byte("signature\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09"))
	f.Add([]byte{}, []byte("\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, object, rest []byte) {
		whole := append(append(bytes.Clone(object), rest...), signatureMagic...)
		got := unsigned(whole)
		if !bytes.HasPrefix(whole, got) || len(got) != len(whole) && len(whole)-len(got) < signatureHeader+len(signatureMagic) {
			t.Errorf("%d bytes of %d are left", len(got), len(whole))
		}
	})
}
