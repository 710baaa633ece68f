package guest

import (
	"encoding/binary"
	"testing"
)

// message makes what the kernel sends: a message of generic netlink with attributes.
func message(kind uint16, attributes ...[]byte) []byte {
	b := make([]byte, 20) // the two headers
	binary.NativeEndian.PutUint16(b[4:], kind)
	for _, a := range attributes {
		b = append(b, a...)
	}
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	return b
}

func attribute(kind uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func TestPowerButton(t *testing.T) {
	event := func(class string) []byte {
		return append(append([]byte(class), make([]byte, 20-len(class))...), 1, 2, 3)
	}
	for _, x := range []struct {
		name string
		data []byte
		want bool
	}{
		{"power", message(0x18, attribute(1, event("button/power")...)), true},
		{"lid", message(0x18, attribute(1, event("button/lid")...)), false},
		{"second of two", append(message(0x18, attribute(1, event("ac_adapter")...)), message(0x18, attribute(1, event("button/power")...))...), true},
		{"another attribute", message(0x18, attribute(2, event("button/power")...)), false},
		{"a message of netlink's own", message(2, attribute(1, event("button/power")...)), false},
		{"short", message(0x18, attribute(1, []byte("button/power")...)), false},
		{"nothing", nil, false},
		{"cut", message(0x18, attribute(1, event("button/power")...))[:30], false},
	} {
		if got := isPowerButton(x.data); got != x.want {
			t.Errorf("%s: isPowerButton = %v; want %v", x.name, got, x.want)
		}
	}
}

// The kernel's own answer about a family that every kernel has.
func TestFamilyRequest(t *testing.T) {
	groups := attribute(7, attribute(1, append(attribute(1, []byte("acpi_mc_group\x00")...), attribute(2, 5, 0, 0, 0)...)...)...)
	if id, ok := groupID(message(0x10, groups), "acpi_mc_group"); !ok || id != 5 {
		t.Errorf("groupID = %d, %v; want 5", id, ok)
	}
	if _, ok := groupID(message(0x10, groups), "other"); ok {
		t.Error("groupID found a group that is not there")
	}
	if got := len(familyRequest("acpi_event")); got != 16+4+16 {
		t.Errorf("the request has %d bytes; want 36", got)
	}
}
