// Package script is the language of boot tests: scripts that read like the session that
// they describe, for one machine or several.
//
//	start
//	wait line "ingot: ready on"
//	run lsblk
//	output /vda3/
//	wait 60s port 80
//	fetch 80 /index.html
//	output "It works."
//	never 5s line /panic/
//	key ctrl-alt-f2
//	screenshot login.png
//	poweroff
//
// [Parse] reads a script, strictly, into a [Script], whose steps are values that package
// lab/scenario plays. A line is for the machine whose name and a colon stand before it,
// "web: run hostname", or that of the line before. The commands are a table, [Commands], and
// so is what can be waited for, [Conditions]; docs/testing.md shows both.
package script
