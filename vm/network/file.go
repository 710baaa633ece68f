package network

// A File describes machines that know each other, as they stand in YAML. The names in
// the tags are the keys.
type File struct {
	Name     string             `json:"name" jsonschema_description:"What the network is called. Default: the file's name."`
	Machines map[string]Machine `json:"machines" jsonschema:"required" jsonschema_description:"The machines by their names, which become their host names."`
	Seed     uint64             `json:"seed" jsonschema_description:"What it depends on which frames a link with a loss loses."`
	Links    []LinkState        `json:"links" jsonschema_description:"Links that are not well from the start."`
}

// A Machine is one machine of a network. One of Recipe, Image and Closure says what it is.
type Machine struct {
	Recipe  string   `json:"recipe" jsonschema_description:"A recipe: a file, or the name of one that ships with ingot."`
	Image   string   `json:"image" jsonschema_description:"An image, an ISO or a netboot folder. An image is a qcow2 if its name ends so, else raw, or what FILE:qcow2 or FILE:raw says."`
	Closure string   `json:"closure" jsonschema_description:"A closure: a reference graph, or a store path of this machine's store."`
	Set     []string `json:"set" jsonschema_description:"Keys of the recipe to override, each as key=value."`

	Kernel string `json:"kernel" jsonschema_description:"With a closure: the folder with boot/vmlinuz-* and lib/modules whose kernel shows the store. Default: this machine's own."`
	Init   string `json:"init" jsonschema_description:"With a closure: the init of a system whose root is the store and memory. Default: a shell."`

	Memory   string   `json:"memory" jsonschema_description:"How much memory it has, such as 512MiB; a number alone is MiB."`
	CPUs     int      `json:"cpus" jsonschema_description:"How many processors it has. Default: 1."`
	Boot     string   `json:"boot" jsonschema:"enum=kernel,enum=bios,enum=uefi" jsonschema_description:"What it starts with; the kernel itself where that is known, which is quickest."`
	Firmware string   `json:"firmware" jsonschema_description:"With boot: uefi: the firmware, as CODE,VARS; CODE, beside which its variables lie; or the folder that has both. Default: the first that is found."`
	Append   []string `json:"append" jsonschema_description:"Further words of the kernel's command line, where the kernel is started directly."`
	Backdoor bool     `json:"backdoor" jsonschema_description:"A back door: a shell that ingot shell NAME opens."`

	VLANs     []int             `json:"vlans" jsonschema_description:"The networks that it has a card in, 1 to 254, in the order of its cards. Default: [1]."`
	Addresses map[string]string `json:"addresses" jsonschema_description:"Addresses to use in place of 192.168.N.M, by the number of the network."`
	Internet  bool              `json:"internet" jsonschema_description:"A further card, behind which QEMU's NAT leads to the networks of the host."`
	Forwards  []string          `json:"forwards" jsonschema_description:"Ports of this machine's loopback that lead to the machine: 8080:80 or tcp:127.0.0.1:8080:80. They need a further card, which leads nowhere else unless internet is true."`
}

// LinkState is the condition that a link has from the start.
type LinkState struct {
	Between []string `json:"between" jsonschema:"required" jsonschema_description:"Two machines; or one, whose cable is meant."`
	State   string   `json:"state" jsonschema:"required" jsonschema_description:"down, delay 50ms, loss 5%, or a delay and a loss."`
}
