package wire

import (
	"slices"
	"strings"
)

// A Word is one of the words on the kernel's command line, or in the initramfs
// (initramfs.ArgumentsFile), by which a host tells ingot, the guest's init, what to do: KEY, or
// KEY=VALUE. [Words] says what each means.
type Word string

// The words that the guest understands. Those without a dot are the kernel's own, or those of
// systems that ingot replaces or boots.
const (
	RootWord         Word = "root"
	RootTypeWord     Word = "rootfstype"
	RootFlagsWord    Word = "rootflags"
	ReadOnlyWord     Word = "ro"
	WritableWord     Word = "rw"
	RootWaitWord     Word = "rootwait"
	InitWord         Word = "init"
	SystemWord       Word = "systemConfig"
	PanicWord        Word = "panic"
	ShellOnFailWord  Word = "boot.shell_on_fail"
	ConsoleWord      Word = "console"
	HostnameWord     Word = "hostname"
	MountWord        Word = "ingot.mount"
	LUKSWord         Word = "ingot.luks"
	LUKSKeyWord      Word = "ingot.luks.key"
	StoreWord        Word = "ingot.store"
	DatabaseWord     Word = "ingot.store.db"
	StoreLayerWord   Word = "ingot.store.writable"
	FlavourWord      Word = "ingot.store.flavour"
	RegistrationWord Word = "regInfo"
	FindWord         Word = "ingot.find"
	ShellWord        Word = "ingot.shell"
	RunWord          Word = "ingot.run"
	ArgumentWord     Word = "ingot.arg"
	EnvironmentWord  Word = "ingot.env"
	ShareWord        Word = "ingot.share"
	LiveWord         Word = "ingot.live"
	ISOWord          Word = "findiso"
	CopyToRAMWord    Word = "copytoram"
	NetRootWord      Word = "netroot"
	RealRootWord     Word = "realroot"
	IPWord           Word = "ip"
	SSHWord          Word = "ingot.ssh"
	AgentWord        Word = "ingot.agent"
)

// An Entry of the table of words.
type Entry struct {
	Word  Word
	Value string // what may stand behind the =; empty for a word without
	Says  string
	By    string // who writes it
}

// Who writes words.
const (
	byLoader = "boot loaders, and recipes for them"
	byRecipe = "recipes"
	byRun    = "ingot run"
	byExec   = "ingot exec, ingot run with a program, and recipes whose steps run in a machine"
	byHand   = "people, on ingot's command line or in a menu"
	byMenus  = "menus of sticks with many ISOs (loopback.cfg)"
)

// Words is the table of all of them. Of a word that is given twice the last one counts, as for
// the kernel, unless the table says that it may be repeated.
var Words = []Entry{
	{RootWord, "UUID=… | PARTUUID=… | LABEL=… | PARTLABEL=… | /dev/…", "the root. Without it, and without ingot.live=, findiso= and netroot=, the initramfs is the whole system, which runs from memory", byLoader},
	{RootTypeWord, "TYPE", "the root's file system", byLoader},
	{RootFlagsWord, "OPTIONS", "how the root is mounted", byLoader},
	{ReadOnlyWord, "", "nothing is written to the root; a root that nobody can write to gets no layer in memory", byLoader},
	{WritableWord, "", "the root is written to. Of ro and rw the last one counts", byLoader},
	{RootWaitWord, "SECONDS", "how long to wait for the root. Default: 30; without a number for ever", byHand},
	{InitWord, "PATH", "the init, on the root. Default: /sbin/init, /init, /bin/init, /bin/sh. With a store and no root=, the init of a system whose root is a tmpfs with nothing but the store", byLoader},
	{SystemWord, "PATH", "init is PATH/init", "menus of NixOS"},
	{PanicWord, "SECONDS", "on failure, start again after so long instead of a shell; at once if negative", byRun},
	{ShellOnFailWord, "", "a shell on failure even so", byHand},
	{ConsoleWord, "DEVICE", "shells and messages go to each; may be repeated", byLoader},
	{HostnameWord, "NAME", "the machine's name, if there is no /etc/hostname", byHand},

	{MountWord, "UUID=…:/PATH[:OPTIONS]", "what of the root lies in another file system, such as /nix, to be mounted before its init starts; may be repeated", byRecipe},
	{LUKSWord, "UUID=…[,NAME]", "unlock this container before the root is looked for, as /dev/mapper/NAME; may be repeated", byRecipe},
	{LUKSKeyWord, "UUID=…:/PATH", "the key is in a file on that file system. Without it, and where it does not fit, the passphrase is asked for on the last of the consoles, three times", byHand},

	{StoreWord, "UUID=… | /dev/… | virtiofs:TAG | 9p:TAG", "a store that the host shows", byRun},
	{DatabaseWord, "the same", "the database's folder, where it is apart", byRun},
	{StoreLayerWord, "", "a layer in memory over the store: /nix/.rw-store", byRun},
	{FlavourWord, "nix | guix", "which store it is. Default: nix", byRun},
	{RegistrationWord, "FILE", "load this registration into the database", byRun},
	{FindWord, "", "list the store on the console; of this, ingot.shell, ingot.run= and init= the first counts, and the machine ends with it", byHand},
	{ShellWord, "", "a shell on the console", byRun},
	{RunWord, "PATH", "run a program of the store on the console", byHand},
	{ArgumentWord, "TEXT", "an argument of the program, as in the query of a URL; may be repeated", byHand},
	{EnvironmentWord, "KEY=VALUE", "a variable of the program, likewise", byHand},
	{ShareWord, "virtiofs:TAG | 9p:TAG", "a folder that the host shows, to be mounted at /mnt/TAG, or at /tmp/shared if TAG is shared; may be repeated", byRun},

	{LiveWord, "PATH", "the root is in an image, a file on the medium that root= names, or in the initramfs without root=", byRecipe},
	{ISOWord, "PATH", "the medium is itself a file, an ISO, on some file system: all are looked through", byMenus},
	{CopyToRAMWord, "", "copy the image, or the medium if there is none, to memory, and let go of the medium", byHand},
	{NetRootWord, "HOST=FILE", "the image comes by TFTP, into memory", byHand},
	{RealRootWord, "DEVICE | tmpfs", "the root is on a device that can be written to, and of the medium or image only the store is used", byHand},

	{IPWord, "dhcp | off | INTERFACE:dhcp | …", "the network; package network has the fixed addresses", byRecipe},
	{SSHWord, "KEY", "let root log in by ssh with this public key, the second field of a line of authorized_keys; without a key, with those in /root/.ssh/authorized_keys. May be repeated", byRun},
	{AgentWord, "", "serve the host at the agent's port and do nothing else", byExec},
}

// Models are the systems whose words for a store the guest understands, too: MODEL.find,
// MODEL.shell and MODEL.run=, with a store that is shared through virtiofs under the model's
// own name.
var Models = []string{"tvix", "snix"}

// Spellings returns a word for a store and what it is called in the models.
func (w Word) Spellings() []Word {
	_, does, _ := strings.Cut(string(w), ".")
	all := []Word{w}
	for _, m := range Models {
		all = append(all, Word(m+"."+does))
	}
	return all
}

// SharedTag is the tag of a shared folder that has no name of its own.
const SharedTag = "shared"

// ShareDir returns where a guest mounts the shared folder of a tag. The models' guests have
// the folder shared at the same place.
func ShareDir(tag string) string {
	if tag == SharedTag {
		return "/tmp/shared"
	}
	return "/mnt/" + tag
}

// StoreTasks are the words for what is done with a store, in the order in which they count.
var StoreTasks = []Word{FindWord, ShellWord, RunWord}

// SplitLine takes a kernel's command line apart as the kernel does: at blanks outside of double
// quotes, which it takes away. whole says that each quote is closed.
func SplitLine(line string) (words []string, whole bool) {
	var word strings.Builder
	quoted, started := false, false
	for _, r := range line + "\n" {
		blank := strings.ContainsRune(" \t\n\v\f\r", r)
		switch {
		case r == '"':
			quoted, started = !quoted, true
		case !blank || quoted:
			word.WriteRune(r)
			started = true
		case started:
			words = append(words, word.String())
			word.Reset()
			started = false
		}
	}
	if quoted { // with the line end that was added
		words = append(words, strings.TrimSuffix(word.String(), "\n"))
	}
	return words, !quoted
}

// With returns the word with its value.
func (w Word) With(value string) string { return string(w) + "=" + value }

// In returns what stands behind the word among others, and tells a word without a value from
// one that is not there.
func (w Word) In(words []string) (value string, ok bool) {
	values := w.All(words)
	if len(values) == 0 {
		return "", false
	}
	return values[len(values)-1], true
}

// All returns what stands behind the word wherever it is.
func (w Word) All(words []string) (values []string) {
	for _, word := range words {
		if key, value, _ := strings.Cut(word, "="); key == string(w) {
			values = append(values, value)
		}
	}
	return values
}

// StatusSign comes before the status, on the console, of a task with a store that failed.
const StatusSign = "status "

// NinePOptions are those of mounting what a host shares by 9p.
const NinePOptions = "trans=virtio,version=9p2000.L,msize=262144"

// Shared is the value of a word for what the host shares under a tag, by virtiofs or 9p.
func Shared(filesystem, tag string) string { return filesystem + ":" + tag }

// AskForTask reports whether words ask the guest for something to do: to list its store, for a
// shell, for a program, or to start a system; by ingot's own words or those of the models.
func AskForTask(words []string) bool {
	asked := []Word{InitWord, RootWord}
	for _, w := range StoreTasks {
		asked = append(asked, w.Spellings()...)
	}
	return slices.ContainsFunc(asked, func(w Word) bool { _, ok := w.In(words); return ok })
}
