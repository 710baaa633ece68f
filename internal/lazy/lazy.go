// Package lazy delays work to the first use of its result.
//
// ingot is the init and the commands of its guests, so it starts often, and emulated: there
// compiling the regular expressions of one package took 20 ms.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp returns a function that returns the regular expression, which it compiles when
// it is called for the first time. As [regexp.MustCompile] it panics if it cannot be
// parsed.
func Regexp(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
