package wire

// The virtio-serial ports by which a host reaches what runs in its guest. A machine has
// those that its host gives it (vm.Config.Channels).
const (
	// AgentPort is where ingot in the guest executes requests: a [Session].
	AgentPort = "org.ingot.agent"

	// BackdoorPort is a plain shell: what the host writes there are commands, what they
	// print comes back, without prompts or echo.
	BackdoorPort = "org.ingot.backdoor"
)
