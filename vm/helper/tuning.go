package helper

// tuning are words that take time off a boot.
var tuning = []string{
	"edd=off", "tsc=reliable", "no_timer_check", "8250.nr_uarts=1", "mitigations=off",
}
