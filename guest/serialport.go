package guest

import (
	"path/filepath"
	"time"
)

// patienceForPorts is how long ports may take to appear after their driver.
const patienceForPorts = 2 * time.Second

// serialPort returns the device of the virtio-serial port with that name, or "". Ports appear a
// moment after their driver.
func serialPort(name string) string {
	for start := time.Now(); ; time.Sleep(poll / 5) {
		if device := findPort(name); device != "" {
			return device
		}
		bound, _ := filepath.Glob("/sys/bus/virtio/drivers/virtio_console/virtio*")
		if len(bound) == 0 || time.Since(start) > patienceForPorts {
			return ""
		}
	}
}
