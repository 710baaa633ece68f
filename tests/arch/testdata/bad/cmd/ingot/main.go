// Command ingot stands on the top layer and may look at the clock.
package main

import (
	"time"

	_ "bad/image"
)

func main() { println(time.Now().Unix()) }
