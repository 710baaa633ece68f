package guest

import (
	"testing"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

func TestPowerButton(t *testing.T) {
	event := func(class string) []byte {
		return append(append([]byte(class), make([]byte, 20-len(class))...), 1, 2, 3)
	}
	attributes := func(kind uint16, values ...[]byte) []byte {
		encoder := netlink.NewAttributeEncoder()
		for _, v := range values {
			encoder.Bytes(kind, v)
		}
		data, err := encoder.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for _, x := range []struct {
		name string
		data []byte
		want bool
	}{
		{"power", attributes(1, event("button/power")), true},
		{"lid", attributes(1, event("button/lid")), false},
		{"second of two", attributes(1, event("ac_adapter"), event("button/power")), true},
		{"another attribute", attributes(2, event("button/power")), false},
		{"short", attributes(1, []byte("button/power")), false},
		{"nothing", nil, false},
		{"cut", attributes(1, event("button/power"))[:15], false},
	} {
		if got := isPowerButton(genetlink.Message{Data: x.data}); got != x.want {
			t.Errorf("%s: isPowerButton = %v; want %v", x.name, got, x.want)
		}
	}
}
