package network

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

func running(t *testing.T) *Network {
	t.Helper()
	f := New(planned(t, File{
		Machines: map[string]Machine{"a": recipe(1, 2), "b": recipe(1), "c": recipe(2)},
		Links:    []LinkState{{[]string{"c"}, "delay 1ms"}},
	}), nil)
	t.Cleanup(f.Close)
	return f
}

func plugged(t *testing.T, f *Network, machine string, vlan int) *client {
	t.Helper()
	file, err := f.Card(machine, vlan)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.FileConn(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{mac: MACOf(vlan, f.Plan.Machine(machine).Number), conn: conn, r: NewReader(conn)}
}

func TestNetworksKeptApart(t *testing.T) {
	f := running(t)
	a1, a2, b, c := plugged(t, f, "a", 1), plugged(t, f, "a", 2), plugged(t, f, "b", 1), plugged(t, f, "c", 2)
	a1.send(t, broadcast, "in network 1")
	a2.send(t, broadcast, "in network 2")
	if got := b.receive(t); got != "in network 1" {
		t.Errorf("b received %q", got)
	}
	if got := c.receive(t); got != "in network 2" {
		t.Errorf("c received %q; want what was sent in network 2 alone", got)
	}
	if _, err := f.Card("a", 3); err == nil {
		t.Error("there is a network 3")
	}
}

func TestControl(t *testing.T) {
	f := running(t)
	plugged(t, f, "a", 1)
	ctx, cancel := context.WithCancel(t.Context())
	d := NewDirectory(t.TempDir())
	if _, err := d.Ask("", Request{Verb: "status"}); err == nil || err.Error() != "no network is running" {
		t.Errorf("without a network: %v", err)
	}
	if err := d.Serve(ctx, f); err != nil {
		t.Fatal(err)
	}
	if err := d.Serve(ctx, f); err == nil || !strings.Contains(err.Error(), `a network "lab" runs already`) {
		t.Errorf("a second network of the name: %v", err)
	}
	r, err := d.Ask("lab", Request{Verb: "link", A: "b", B: "a", Words: []string{"delay", "50ms", "loss", "5%"}})
	if err != nil || r.State != "delay 50ms loss 5%" || f.Links.Get("a", "b").Loss != 0.05 {
		t.Errorf("link: %+v, %v", r, err)
	}
	r, err = d.Ask("", Request{Verb: "status"})
	if err != nil {
		t.Fatal(err)
	}
	s := r.Status
	if s.Name != "lab" || s.PID != os.Getpid() || len(s.Machines) != 3 || !s.Machines[0].Cards[0].Connected || s.Machines[1].Cards[0].Connected ||
		len(s.Links) != 2 || strings.Join(s.Links[0].Between, "-") != "a-b" || s.Links[1].State != "delay 1ms" {
		t.Errorf("status: %+v", s)
	}
	for _, x := range []struct {
		name string
		q    Request
		want string
	}{
		{"other", Request{Verb: "status"}, `no network "other" is running; there is lab`},
		{"", Request{Verb: "link", A: "a", B: "d", Words: []string{"down"}}, `there is no machine "d"; there are a, b, c`},
		{"", Request{Verb: "link", A: "b", B: "c", Words: []string{"down"}}, "b and c are in no network together"},
		{"", Request{Verb: "link", A: "a", B: "b"}, "the state of the link is missing"},
		{"", Request{Verb: "link", A: "a", B: "b", Words: []string{"on", "fire"}}, `"on" is not the state of a link`},
		{"", Request{Verb: "dance"}, "not a request to a network"},
	} {
		if _, err := d.Ask(x.name, x.q); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%+v: %v; want %q", x.q, err, x.want)
		}
	}
	cancel()
	for {
		names, err := d.List()
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 0 {
			break // nothing is left of it
		}
	}
}

// TestControlOfAnother has another user take the name of this one's network: it is neither
// listed nor asked anything.
func TestControlOfAnother(t *testing.T) {
	f := running(t)
	d := NewDirectory(t.TempDir())
	var l net.Listener
	var err error
	if !testenv.AsUser(t, 12345, func() { l, err = net.Listen("unix", d.prefix+"lab") }) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if names, err := d.List(); err != nil || len(names) != 0 {
		t.Errorf("List = %q, %v; want nothing", names, err)
	}
	for _, name := range []string{"", "lab"} {
		if _, err := d.Ask(name, Request{Verb: "status"}); err == nil || err.Error() != "no network is running" {
			t.Errorf("Ask(%q): %v", name, err)
		}
	}
	if err := d.Serve(t.Context(), f); err == nil || !strings.Contains(err.Error(), "user 12345 listens there") {
		t.Errorf("Serve: %v; want whose the name is", err)
	}
}
