package wire

import (
	"slices"
	"strings"
)

// Version is that of the protocol. A side refuses one that is lower than its least.
const (
	Version = 1
	least   = 1
)

// Hello is what each side says first.
type Hello struct {
	Agent   string `json:"agent"`   // "ingot"
	Version int    `json:"version"` // that the side speaks
	Least   int    `json:"least"`   // that the side understands
	Beat    int    `json:"beat,omitempty"`
	Release string `json:"release,omitempty"` // of the guest's kernel
}

// Raw is any bytes, as arguments and paths may be. In JSON they are base64.
type Raw []byte

// Raws makes a list of raw strings.
func Raws(words ...string) []Raw {
	list := make([]Raw, len(words))
	for i, w := range words {
		list[i] = Raw(w)
	}
	return list
}

// Strings is the other way round.
func Strings(raws []Raw) []string {
	list := make([]string, len(raws))
	for i, r := range raws {
		list[i] = string(r)
	}
	return list
}

// A Request asks for one thing: the field that is not nil.
type Request struct {
	Exec  *Exec  `json:"exec,omitempty"`
	Put   *Put   `json:"put,omitempty"`
	Get   *Get   `json:"get,omitempty"`
	Mount *Mount `json:"mount,omitempty"`

	// Modules is open for as long as the guest runs: see [ModulesReply].
	Modules *Modules `json:"modules,omitempty"`
}

// kinds counts the fields that are set.
func (r *Request) kinds() int {
	n := 0
	for _, set := range []bool{r.Exec != nil, r.Put != nil, r.Get != nil, r.Mount != nil, r.Modules != nil} {
		if set {
			n++
		}
	}
	return n
}

// Exec runs a command, or a script with the words of Argv as its arguments.
type Exec struct {
	Argv   []Raw  `json:"argv"`
	Script Raw    `json:"script,omitempty"` // the text; run by the interpreter that its #! line names, or /bin/sh
	Env    []Raw  `json:"env,omitempty"`    // KEY=VALUE beside the guest's own, over which they win
	Dir    Raw    `json:"dir,omitempty"`    // $HOME if empty
	TTY    *Size  `json:"tty,omitempty"`    // a terminal; then all output is on Stdout
	Term   string `json:"term,omitempty"`   // $TERM of the terminal
}

// Size is that of a terminal.
type Size struct {
	Rows    uint16 `json:"rows"`
	Columns uint16 `json:"columns"`
}

// Put unpacks the tar stream on Stdin in a folder, which is made if need be.
type Put struct {
	Dir    Raw  `json:"dir"`
	Owners bool `json:"owners,omitempty"` // keep them; else all belongs to root
}

// Get packs a folder's contents, or a file, as a tar stream on Stdout.
type Get struct {
	Path Raw `json:"path"`
	// Memory lets the stream say where in the guest's memory large files lie, in place
	// of their contents: see [Run]. They stay there until the host ends Stdin.
	Memory bool `json:"memory,omitempty"`
}

// Mount mounts a file system on a folder, which is made if need be.
type Mount struct {
	Source  Raw    `json:"source"`
	Dir     Raw    `json:"dir"`
	Type    string `json:"type"`
	Options string `json:"options,omitempty"` // as after mount -o
}

// Result is how a request ended.
type Result struct {
	Status int `json:"status"` // the exit status; 128 and more for a signal
	Signal int `json:"signal,omitempty"`
	// OutOfMemory says that the guest's kernel killed a process for its memory while
	// the request was at work.
	OutOfMemory bool `json:"oom,omitempty"`
	// Failed is why the request could not be done; then Status is 127 for what was
	// not found, 126 for what cannot be run, and 125 for the rest.
	Failed string `json:"failed,omitempty"`
	// Moved says that what was to stay in its place in memory did not, and has to be
	// asked for in the usual way.
	Moved bool `json:"moved,omitempty"`
	// Lost tells what was left out of files, in one line for each kind: attributes for the
	// most part.
	Lost []string `json:"lost,omitempty"`
}

// Bounds of what a guest says of a request's end.
const (
	maxFailed   = 64 << 10
	maxLost     = 40 // lines; package files tells of half as many
	maxLostLine = 2000
)

// bounded cuts what is too long.
func (r Result) bounded() Result {
	r.Failed = cut(r.Failed, maxFailed)
	r.Lost = slices.Clone(r.Lost[:min(len(r.Lost), maxLost)])
	for i, line := range r.Lost {
		r.Lost[i] = cut(line, maxLostLine)
	}
	return r
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.Clone(s[:n]) + "…"
}

// Modules offers the guest the modules of its kernel that it does not carry. On Stdout
// the guest asks, by a line of names, each followed by a blank; on Stdin it gets a line
// of JSON, ModulesReply, and the modules one after the other.
type Modules struct{}

// ModulesReply answers for names of modules, or aliases.
type ModulesReply struct {
	Modules []ModuleFile `json:"modules,omitempty"` // in the order in which they can be loaded
	Unknown bool         `json:"unknown,omitempty"` // the kernel has no such module
	Failed  string       `json:"failed,omitempty"`
}

// ModuleFile is one that follows.
type ModuleFile struct {
	Name string `json:"name"` // as lsmod prints it
	Path string `json:"path"` // below the folder of the kernel's modules, not compressed
	Size int64  `json:"size"`
}

// MaxModulesLine is how long a line of names can be.
const MaxModulesLine = 4096
