package vm

import (
	"regexp"
	"sort"
	"strings"

	"ingot/internal/lazy"
)

// kernelMessage matches a message of Linux's on a console, behind its level: the time since
// the start of the system, in seconds, and perhaps what printed it (printk's
// CONFIG_PRINTK_CALLER): a thread or, in an interrupt, a processor. A system that prints no
// times (printk.time=0) has messages that nothing tells from what programs print. A message
// may have yet to come to its end.
var kernelMessage = lazy.Regexp(`^\[ *[0-9]+\.[0-9]{6}\](?:\[ *[TC][0-9]+\])? `)

// levelBefore returns how long the level is, such as <6>, that a text ends with: it stands
// before a message where console_msg_format=syslog.
func levelBefore(text string) int {
	inner, ok := strings.CutSuffix(text, ">")
	if !ok {
		return 0
	}
	number := strings.TrimRight(inner, "0123456789")
	if n := len(inner) - len(number); n > 0 && strings.HasSuffix(number, "<") {
		return n + len("<>")
	}
	return 0
}

// A reading is what a console has shown, without the messages of its kernel. These come
// in between wherever a program has got to with what it prints, in the middle of a prompt
// as well.
type reading struct {
	text string
	cuts []cut
}

// cut is a place where messages were left out.
type cut struct {
	at    int // in the text that is left
	bytes int // that were left out up to here
}

// withoutKernel reads a console. It returns nil where there are no messages.
func withoutKernel(text string) *reading {
	var left strings.Builder
	var r reading
	from := 0
	for at := range len(text) {
		if at < from || text[at] != '[' || !kernelMessage().MatchString(text[at:]) {
			continue
		}
		begin := at - levelBefore(text[from:at])
		left.WriteString(text[from:begin])
		line, _, _ := strings.Cut(text[at:], "\n")
		from = min(at+len(line)+1, len(text))
		r.cuts = append(r.cuts, cut{left.Len(), from - left.Len()})
	}
	if r.cuts == nil {
		return nil
	}
	left.WriteString(text[from:])
	r.text = left.String()
	return &r
}

// place returns where in the console a byte of the reading stands.
func (r *reading) place(at int) int {
	n := sort.Search(len(r.cuts), func(i int) bool { return r.cuts[i].at > at })
	if n == 0 {
		return at
	}
	return at + r.cuts[n-1].bytes
}

// find looks for what a pattern matches, in the text as it stands and without the kernel's
// messages: a message may be what is waited for, and it may stand in the middle of that.
// Of two matches the one that begins first counts. match is what matched, and start and
// end are where it stands.
func find(re *regexp.Regexp, text string) (match string, start, end int, ok bool) {
	if at := re.FindStringIndex(text); at != nil {
		match, start, end, ok = text[at[0]:at[1]], at[0], at[1], true
	}
	r := withoutKernel(text)
	if r == nil {
		return match, start, end, ok
	}
	at := re.FindStringIndex(r.text)
	if at == nil {
		return match, start, end, ok
	}
	from, to := r.place(at[0]), r.place(at[0])
	if at[1] > at[0] {
		to = r.place(at[1]-1) + 1
	}
	if !ok || from < start {
		return r.text[at[0]:at[1]], from, to, true
	}
	return match, start, end, ok
}

// WithoutKernel returns what programs have printed on a console: without the messages of
// the kernel, each of which may stand in the middle of that.
func WithoutKernel(console string) string {
	if r := withoutKernel(console); r != nil {
		return r.text
	}
	return console
}

// ShowsPrompt reports whether a console shows what a regular expression matches, as text and
// without the kernel's messages.
func ShowsPrompt(console string, re *regexp.Regexp) bool {
	return re.MatchString(WithoutKernel(plain(console)))
}
