package vm

import (
	"os"
	"runtime"
	"testing"
)

// TestDelayed has more threads than processors want to run.
func TestDelayed(t *testing.T) {
	if _, err := os.Stat("/proc/self/schedstat"); err != nil {
		t.Skip("this kernel does not count how long threads wait (CONFIG_SCHED_INFO)")
	}
	m := &Machine{qemu: &child{pid: os.Getpid()}}
	before := m.delayed()
	done := make(chan struct{})
	for range 2 * runtime.NumCPU() {
		go func() {
			runtime.LockOSThread()
			for {
				select {
				case <-done:
					return
				default:
				}
			}
		}()
	}
	defer close(done)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2*runtime.NumCPU() + 1))
	for m.delayed() == before { // as long as it takes: the test's own limit ends it
		runtime.Gosched()
	}
}
