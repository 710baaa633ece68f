package image

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

// A Seed is the source of an image's identifiers: UUIDs, serial numbers, hash seeds, disk
// signatures. The same Seed and name give the same identifier everywhere; another name gives
// an unrelated one.
type Seed uuid.UUID

// namespace is ingot's own, of RFC 9562 section 5.5: the UUIDv5 of the name "ingot"
// in the namespace of names without one (the nil UUID).
var namespace = uuid.NewSHA1(uuid.Nil, []byte("ingot"))

// NewSeed derives a Seed from bytes that are unique to an image.
func NewSeed(of []byte) Seed { return Seed(uuid.NewSHA1(namespace, of)) }

// UUID returns the version 5 UUID (RFC 9562, section 5.5) of name under s.
func (s Seed) UUID(name string) uuid.UUID { return uuid.NewSHA1(uuid.UUID(s), []byte(name)) }

// Uint32 returns a number for name. It is never 0, which means "none" in formats.
func (s Seed) Uint32(name string) uint32 {
	sum := sha256.Sum256(append(s[:len(s):len(s)], name...))
	return max(binary.BigEndian.Uint32(sum[:]), 1)
}

// Sub returns the Seed for a part of the image that has names of its own.
func (s Seed) Sub(name string) Seed { return Seed(s.UUID(name)) }

// VolumeUUID parses a UUID in the form that tools print. Default: that of name under s. It
// refuses zeros, which mean no UUID to file systems.
func (s Seed) VolumeUUID(text, name string) (uuid.UUID, error) {
	if text == "" {
		return s.UUID(name), nil
	}
	id, err := uuid.Parse(text) // which takes other forms, too
	switch {
	case err != nil || len(text) != len(id.String()):
		return id, fmt.Errorf("uuid %q is not of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, in hexadecimal digits", text)
	case id == uuid.Nil:
		return id, fmt.Errorf("uuid %q: zeros are read as none at all", text)
	}
	return id, nil
}
