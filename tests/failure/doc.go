// Package failure shows what a build leaves behind that does not come to its end:
// nothing, and what stood under the output's name before still stands.
package failure
