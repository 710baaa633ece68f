package recipes

import (
	_ "bad/attic"
	_ "bad/vm"
	. "os"
	"time" // allowed in the test
)

const Name = "recipe"

var _, _ = Getwd, time.Now
