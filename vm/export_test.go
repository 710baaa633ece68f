package vm

import (
	"testing"
	"time"
)

// SetProbeTimes has probes of KVM wait so long for QEMU and for a step, until the test
// ends: a test is told what comes at once and what never does, and not by the clock.
func SetProbeTimes(t *testing.T, start, step time.Duration) {
	oldStart, oldStep := startTime, stepTime
	startTime, stepTime = start, step
	t.Cleanup(func() { startTime, stepTime = oldStart, oldStep })
}

// SetStillTime has machines that show nothing count as such that have given up after so
// long, until the test ends.
func SetStillTime(t *testing.T, still time.Duration) {
	old := stillTime
	stillTime = still
	t.Cleanup(func() { stillTime = old })
}
