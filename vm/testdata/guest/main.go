// Command guest is the least that a guest's binary is: package guest and nothing
// more. Tests boot it without waiting for the whole of ingot to be built.
package main

import (
	"fmt"
	"os"

	"ingot/guest"
)

func main() {
	if !guest.Main(os.Args) {
		fmt.Fprintln(os.Stderr, "guest: not process 1, nor the name of an applet")
		os.Exit(2)
	}
}
