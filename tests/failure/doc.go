// Package failure tests that a build which fails leaves nothing behind, and does not change an
// existing file of the output's name.
package failure
