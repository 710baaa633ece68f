package guest

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"ingot/guest/wire"
)

// patienceForPorts is how long ports may take to show up after their driver.
const patienceForPorts = 2 * time.Second

// serialPort returns the device of the virtio-serial port with that name, or "". Ports
// show up a moment after their driver; the port of the status is the last of those that
// a host gives.
func serialPort(name string) string {
	for start := time.Now(); ; time.Sleep(poll / 5) {
		ports, _ := filepath.Glob("/sys/class/virtio-ports/*/name") // the pattern is a good one
		last := false
		for _, p := range ports {
			data, _ := os.ReadFile(p)
			switch strings.TrimSpace(string(data)) {
			case name:
				return "/dev/" + filepath.Base(filepath.Dir(p))
			case wire.StatusPort:
				last = true
			}
		}
		if bound, _ := filepath.Glob("/sys/bus/virtio/drivers/virtio_console/virtio*"); last || len(bound) == 0 || time.Since(start) > patienceForPorts {
			return ""
		}
	}
}
