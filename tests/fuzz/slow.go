package main

// A Reason is why a target is not executed as often as the others.
type Reason struct {
	Target string // as [Target.String] has it
	Why    string
}

// Slow are the targets of which no number of executions in a minute is wanted. There are
// none now.
var Slow = []Reason{}

// reason is why a target is slow, or "".
func reason(t Target) string {
	for _, s := range Slow {
		if s.Target == t.String() {
			return s.Why
		}
	}
	return ""
}
