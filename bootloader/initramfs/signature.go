package initramfs

import (
	"bytes"
	"encoding/binary"
)

// A signed module ends with the signature, a struct module_signature and this line:
// include/linux/module_signature.h and kernel/module/signing.c of Linux.
const (
	signatureMagic  = "~Module signature appended~\n"
	signatureHeader = 12 // bytes, the last four of which are the signature's length, big-endian
)

// unsigned returns a module without its signature.
func unsigned(object []byte) []byte {
	body, ok := bytes.CutSuffix(object, []byte(signatureMagic))
	if !ok || len(body) < signatureHeader {
		return object
	}
	length := int64(binary.BigEndian.Uint32(body[len(body)-4:]))
	end := int64(len(body)) - signatureHeader - length
	if end < 0 {
		return object
	}
	return body[:end]
}
