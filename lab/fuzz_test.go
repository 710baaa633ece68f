package lab

import (
	"strings"
	"testing"

	"ingot/vm/network"
)

// FuzzParse reads files of machines, and plans their networks.
func FuzzParse(f *testing.F) {
	f.Add("machines:\n  client: {recipe: rescue, vlans: [1, 2]}\n  web: {recipe: web.yaml, forwards: [\"8080:80\"], addresses: {1: 10.0.0.1/24}}\nlinks:\n- {between: [client, web], state: delay 50ms loss 5%}\n")
	f.Add("machines: {a: {image: x.qcow2, memory: 1GiB, internet: true}}\nseed: 7\nlinks: [{between: [a], state: down}]\n")
	f.Add("machines: {a: {recipe: x}}\ntests:\n- name: a\n  script: |\n    start\n    a: fetch 80 /\n- {name: b, script: link a down}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		l, err := Parse("net.yaml", []byte(text), Options{})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "net.yaml") {
				t.Errorf("the error does not say where: %v", err)
			}
			return
		}
		seen := map[network.MAC]bool{}
		for _, m := range l.Plan.Machines {
			for _, c := range m.Cards {
				if seen[c.MAC] {
					t.Errorf("two cards have the address %v", c.MAC)
				}
				seen[c.MAC] = true
			}
		}
	})
}
