package helper

// tuning are words of the kernel's command line that take time off a boot. Measured
// with Debian's kernel 6.1 for clouds, under TCG, as processor time of QEMU from start
// to end with an init that powers off at once, of 2.4 s; each alone, the least of three:
//
//	cryptomgr.notests        0.35 s: no self-tests of ciphers that nobody will use
//	edd=off, 8250.nr_uarts   0.1 s: no BIOS disks, no serial ports that are not there
//	mitigations=off          0.1 s: no neighbours to be protected from in here
//	tsc=reliable, audit=0 …  0.1 s: no watching over clocks and tasks
//	init_on_alloc=0          0.1 s, and more where memory is filled
//	i8042…                   0.05 s: no keyboard
//	nokaslr                  within the noise; addresses in a panic can be looked up
//
// Modules without their signatures save 0.2 s more, and a machine without VGA 0.06 s.
//
// What was tried and left out: qboot in place of SeaBIOS saves 0.05 s, but not every
// QEMU has it; a simpler processor than "max" and one without fast string instructions
// save nothing; microvm tells of its devices in words that Debian's kernel does not know.
var tuning = []string{
	"cryptomgr.notests", "edd=off", "8250.nr_uarts=1", "mitigations=off", "tsc=reliable", "no_timer_check",
	"audit=0", "nowatchdog", "init_on_alloc=0", "hardened_usercopy=off",
	"i8042.noprobe=1", "i8042.nokbd", "i8042.noaux", "nokaslr",
}
