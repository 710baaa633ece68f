// Package lazy makes what is seldom used when it is first used.
//
// ingot is its own guests' init and their commands, so that it starts often, and where
// each start is translated instruction by instruction: there the regular expressions of
// one package took 20 ms.
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
