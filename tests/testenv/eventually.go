package testenv

import (
	"testing"
	"time"
)

// Patience is how long a test waits for what has to happen: long enough for a machine on
// which everything else runs, too. It decides nothing but when a test that fails ends.
const Patience = 10 * time.Minute

// Eventually waits until a condition holds, which is when it returns nil, and fails the test
// with its last error if that does not come. It is for what gives no sign when it happens: a
// process of others that ends, a file that they write.
func Eventually(t testing.TB, condition func() error) {
	t.Helper()
	eventually(t, Patience, condition)
}

func eventually(t testing.TB, patience time.Duration, condition func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v, after %v", err, patience)
		}
	}
}
