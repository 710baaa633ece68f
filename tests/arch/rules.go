package arch

import "strings"

// Layers are the folders of the repository, from the lowest layer up. A package belongs to the
// longest folder that contains it, and may import packages of its own folder and of lower layers.
var Layers = [][]string{
	{"internal"},
	{"guest/wire"},
	{"image"},
	{"storedb"},
	{"partition/volume"},
	{"partition/ext4", "partition/fat", "partition/swap", "partition/erofs", "partition/squashfs", "partition/foreign"},
	{"storedb/storedisk"},
	{"partition/filesystems"},
	{"partition"},
	{"inspect"},
	{"bootloader/kernel"},
	{"bootloader/initramfs"},
	{"bootloader"},
	{"bootloader/system"},
	{"bootloader/grub"},
	{"bootloader/loaders"},
	{"lint"},
	{"vm"},
	{"guest"},
	{"recipes/script", "recipes/signature", "recipes/tools"},
	{"recipes"},
	{"recipes/derive"},
	{"recipes/manifest"},
	{"recipes/netboot"},
	{"recipes/plan"},
	{"recipes/finish"},
	{"lab"},
	{"cmd"},
	{"tests"},
}

// A Wall forbids packages of the folder From to import packages of the folder To. Exceptions are
// the folders, on either side, that may do so or be imported.
type Wall struct {
	From, To   string
	Exceptions []string
}

// Apart are the walls. The software in a guest and the software that runs guests share only their
// protocol. Below recipes, only the package that uses a machine imports vm.
var Apart = []Wall{
	{"guest", "vm", nil},
	{"vm", "guest", []string{"guest/wire", "guest/wire/files"}},
	{"recipes", "vm", []string{"recipes/finish"}},
}

// Bytes are the folders whose packages make bytes of an image.
var Bytes = []string{"internal", "image", "storedb", "partition", "inspect", "bootloader", "lint", "recipes"}

// Forbidden is what packages that make bytes do not use: import paths, and names of
// packages that have other uses. An empty list forbids the package as a whole.
var Forbidden = map[string][]string{
	// The clock.
	"time": nil,
	// Randomness.
	"crypto/rand":            nil,
	"hash/maphash":           nil,
	"math/rand":              nil,
	"math/rand/v2":           nil,
	"github.com/google/uuid": {"New", "NewString", "NewRandom", "NewRandomFromReader", "NewUUID", "NewV6", "NewV7", "NewV7FromReader", "NewDCEPerson", "NewDCEGroup", "NewDCESecurity", "NodeID", "SetRand"},
	// The environment: variables, the working directory, the machine and the user.
	"os": {
		"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Clearenv",
		"Getwd", "Chdir", "Hostname", "TempDir", "UserHomeDir", "UserCacheDir", "UserConfigDir",
		"Getuid", "Geteuid", "Getgid", "Getegid", "Getgroups", "Getppid", "Executable", "Args",
	},
	"os/user": nil,
	// The same through other packages.
	"syscall":               systemCalls,
	"golang.org/x/sys/unix": systemCalls,
}

var systemCalls = []string{
	"Getenv", "Environ", "Setenv", "Getwd", "Getcwd", "Chdir", "Uname", "Gethostname",
	"Getuid", "Geteuid", "Getgid", "Getegid", "Getgroups", "Getppid", "Umask",
	"Gettimeofday", "Time", "Times", "ClockGettime", "ClockGetres", "Sysinfo", "Getrandom",
}

// An Allowance lets one package use one forbidden name.
type Allowance struct {
	Package string // its folder
	Use     string // "time" or "os.Executable"
	Reason  string
}

// Allowed are the exceptions. None may reach a byte of an image.
var Allowed = []Allowance{
	{"partition/squashfs", "os.Geteuid", "mksquashfs gives a directory to whoever runs it, which a user namespace makes root"},
	{"partition/squashfs", "os.Getegid", "the same"},
	{"image", "os.Geteuid", "without /proc, only root can name an output file that was opened without a name; and a sweep removes what this user has left"},
	{"recipes/script", "time", "how long a step of a test may take; no byte of an image depends on it"},
	{"internal/stall", "time", "who waits for a server or a client gives up some time; no byte depends on it"},
	{"internal/stall", "math/rand/v2", "not all who were cut try again at once"},
	{"recipes/signature", "time", "a signature is checked against certificates that are valid now; signing asks for no time"},
}

// layer returns the height of a folder and the layer's name; ok is false for a
// folder that is part of no layer.
func layer(folder string) (height int, name string, ok bool) {
	for i, names := range Layers {
		for _, n := range names {
			if within(folder, n) && len(n) > len(name) {
				height, name, ok = i, n, true
			}
		}
	}
	return height, name, ok
}

// within says whether a folder is another or lies below it.
func within(folder, of string) bool {
	return folder == of || strings.HasPrefix(folder, of+"/")
}

// makesBytes says whether packages of a folder make bytes of an image.
func makesBytes(folder string) bool {
	for _, b := range Bytes {
		if within(folder, b) {
			return true
		}
	}
	return false
}
