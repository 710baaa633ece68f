package script

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// FuzzParse reads scripts. What is accepted has steps of machines that there are; errors
// name a line of the script.
func FuzzParse(f *testing.F) {
	for _, c := range commands {
		f.Add(strings.NewReplacer("[", "", "]", "", "...", "").Replace(c.usage), true)
	}
	for _, text := range []string{
		"start\nweb: wait 60s not line /^x$/\nclient: run wget -q http://web\nstatus nonzero\noutput not \"a\\tb\"\n",
		"fetch 80 /x\nstatus 404\ncheck fetch 80\nnever 5s text \"x\"\neventually 1m unit sshd",
		"key ctrl-alt-f2 ret\ntype \"root\\n\"\nscreenshot a.png\ncompare a.png b.png tolerance 2%\n",
		"link client web delay 50ms loss 5%\nqmp query-status {\"a\": [1]}\ncopy in f /tmp\ncopy out /etc/x\n# c\nsleep 1s\nnote x\nshell console",
	} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, one bool) {
		if len(text) > 2048 {
			return
		}
		machines := []string{"client", "web"}
		if one {
			machines = machines[:1]
		}
		s, err := Parse("test", "file", 7, text, machines)
		if err != nil {
			for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
				p, ok := errors.AsType[*ParseError](e)
				if !ok || p.Line < 7 || p.Line > 7+strings.Count(text, "\n")+1 {
					t.Errorf("the error is of no line: %v", e)
				}
			}
			return
		}
		for _, step := range s.Steps {
			if step.Action == nil || step.Machine != "" && !slices.Contains(machines, step.Machine) {
				t.Errorf("line %d: %+v", step.Line, step)
			}
		}
		for _, m := range machines {
			s.Restarts(m)
			for _, port := range s.Ports(m) {
				if port < 1 || port > 65535 {
					t.Errorf("port %d", port)
				}
			}
		}
	})
}
