package scenario

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"ingot/recipes/script"
)

// TestPlaysAll has the player know what each command and each condition of the language
// stands for.
func TestPlaysAll(t *testing.T) {
	text := `
start
poweroff
crash
reboot
wait line a
eventually 1s run true
never 1s file /a
check port 1
check socket /a
check unit a
check fetch 1
check text a
check screen a.png 1%
check ended
shell agent
run true
status 1
output a
fetch 1
send a
key a
type a
screenshot a.png
compare a.png b.png 1%
copy in a b
copy out a
link web up
qmp stop
sleep 1s
note a`
	s, err := script.Parse("test", "file", 1, text, []string{"web"})
	if err != nil {
		t.Fatal(err)
	}
	// No machine is started and the time is over, so that all others than notes fail.
	failed := errors.New("no machine can be started")
	player := Player{Dir: t.TempDir(), Start: func(context.Context, string, io.Writer) (*Machine, error) { return nil, failed }}
	p := &play{Player: player, folder: t.TempDir(), machines: map[string]*machine{}}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	seen := []string{"wait"}
	for _, step := range s.Steps {
		if err := p.do(over, p.machine("web"), step.Action); errors.Is(err, errUnknown) {
			t.Errorf("%s: %v", step.Text, err)
		}
		words := strings.Fields(step.Text)
		seen = append(seen, words[0])
		switch a := step.Action.(type) {
		case script.Wait:
			seen = append(seen, conditionOf(t, p, a.Condition))
		case script.Never:
			seen = append(seen, conditionOf(t, p, a.Condition))
		case script.Check:
			seen = append(seen, conditionOf(t, p, a.Condition))
		}
	}
	if err := p.do(over, nil, "nothing"); !errors.Is(err, errUnknown) {
		t.Errorf("do of what is no action: %v; want %v", err, errUnknown)
	}
	for _, e := range append(script.Commands(), script.Conditions()...) {
		if !slices.Contains(seen, e.Name) {
			t.Errorf("no step of the test is for %s", e.Name)
		}
	}
}

func conditionOf(t *testing.T, p *play, c script.Condition) (name string) {
	t.Helper()
	if _, _, err := p.holds(t.Context(), p.machine("web"), c); errors.Is(err, errUnknown) {
		t.Errorf("%s: %v", c.Text, err)
	}
	return strings.Fields(c.Text)[0]
}
