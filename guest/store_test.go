package guest

import (
	"slices"
	"testing"

	"ingot/guest/wire"
	"ingot/storedb"
)

func TestStoreWords(t *testing.T) {
	for _, x := range []struct {
		line string
		want *store
		bad  bool
	}{
		{"quiet root=/dev/vda", nil, false},
		{"init=/nix/store/x/init", nil, false},
		{"ingot.store=UUID=1-2", &store{source: storeSource{name: "UUID=1-2"}}, false},
		{"ingot.store=9p:tag ingot.store.db=9p:db ingot.store.flavour=guix ingot.store.writable",
			&store{source: storeSource{"9p", "tag"}, database: storeSource{"9p", "db"}, flavour: storedb.Guix, writable: true}, false},
		{"tvix.find", &store{source: storeSource{"virtiofs", "tvix"}}, false},
		{"snix.run=/nix/store/x/bin/y", &store{source: storeSource{"virtiofs", "snix"}}, false},
		{"tvix.shell ingot.store=/dev/vdb", &store{source: storeSource{name: "/dev/vdb"}}, false},
		{"ingot.store=/dev/vdb ingot.store.flavour=debian", nil, true},
	} {
		got, err := parseCmdline(x.line).store()
		if (err != nil) != x.bad || (got == nil) != (x.want == nil) || got != nil && *got != *x.want {
			t.Errorf("store(%s) = %+v, %v; want %+v", x.line, got, err, x.want)
		}
	}
}

// TestStoreTask: find before shell, before run, before init, whatever their order; the
// last of two of a kind.
func TestStoreTask(t *testing.T) {
	for _, x := range []struct {
		line  string
		task  wire.Word
		value string
	}{
		{"quiet", "", ""},
		{"init=/a tvix.run=/b ingot.shell ingot.find", wire.FindWord, ""},
		{"init=/a tvix.run=/b tvix.shell", wire.ShellWord, ""},
		{"init=/a ingot.run=/b=c ingot.run=/d=e=f", wire.RunWord, "/d=e=f"},
		{"init=/a", wire.InitWord, "/a"},
	} {
		if task, value := parseCmdline(x.line).storeTask(); task != x.task || value != x.value {
			t.Errorf("storeTask(%s) = %s, %s; want %s, %s", x.line, task, value, x.task, x.value)
		}
	}
}

func TestProgramWords(t *testing.T) {
	c := parseCmdline("ingot.arg=a+b ingot.env=K%3Dv+w ingot.arg=%22%0A ingot.arg= -- more words")
	argv, env, err := c.program("/x")
	if want := []string{"/x", "a b", "\"\n", "", "more", "words"}; err != nil || !slices.Equal(argv, want) || !slices.Equal(env, []string{"K=v w"}) {
		t.Errorf("program = %q, %q, %v; want %q", argv, env, err, want)
	}
	if _, _, err := parseCmdline("ingot.arg=%zz").program("/x"); err == nil {
		t.Error("an argument that is no escape is taken")
	}
}
