// Package shell is the shell of a guest: the language of POSIX and much of bash,
// from mvdan.cc/sh, with a line editor on a terminal.
//
//	sh                      a prompt on a terminal, else a script from standard input
//	sh -c 'echo $1' sh hi   a command
//	sh script arguments…    a script
//
// Programs are looked for in PATH, then among the applets of the ingot binary;
// an applet runs as a process of its own, so that signals, folders and pipes are
// what they are for every other program.
//
// # Limits
//
// There is no job control: Ctrl-Z is switched off, and `&` with `wait` is what
// there is. The prompt is fixed: user, host and folder. History lasts for a
// session. What mvdan.cc/sh lacks of POSIX (such as ulimit) is missing here.
package shell
