package scenario

import (
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
	seen := []string{"wait"}
	for _, step := range s.Steps {
		if actionOf(step.Action) == nil {
			t.Errorf("%s: the player knows no %T", step.Text, step.Action)
		}
		words := strings.Fields(step.Text)
		seen = append(seen, words[0])
		switch a := step.Action.(type) {
		case script.Wait:
			seen = append(seen, conditionOf(t, a.Condition))
		case script.Never:
			seen = append(seen, conditionOf(t, a.Condition))
		case script.Check:
			seen = append(seen, conditionOf(t, a.Condition))
		}
	}
	for _, e := range append(script.Commands(), script.Conditions()...) {
		if !slices.Contains(seen, e.Name) {
			t.Errorf("no step of the test is for %s", e.Name)
		}
	}
}

func conditionOf(t *testing.T, c script.Condition) (name string) {
	t.Helper()
	if checkOf(c) == nil || checkFor(c.Of) == nil {
		t.Errorf("%s: the player knows no %T", c.Text, c.Of)
	}
	return strings.Fields(c.Text)[0]
}
