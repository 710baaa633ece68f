package vm

import (
	"os"
	"runtime"
	"sync/atomic"
	"testing"
)

// TestDelayed has more threads than processors want to run.
func TestDelayed(t *testing.T) {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("this kernel does not count how long threads wait (CONFIG_SCHED_INFO)")
	}
	m := &Machine{qemu: &child{pid: os.Getpid()}}
	before := m.delayed()
	var done atomic.Bool
	for range 2 * runtime.NumCPU() {
		go func() {
			runtime.LockOSThread()
			for !done.Load() {
			}
		}()
	}
	defer done.Store(true)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2*runtime.NumCPU() + 1))
	for m.delayed() == before { // as long as it takes: the test's own limit ends it
		runtime.Gosched()
	}
}
