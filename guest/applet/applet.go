package applet

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// An Applet is a command that lives in the ingot binary.
type Applet struct {
	Name    string
	Usage   string // the arguments, as a manual page shows them
	Summary string // what it does, in a few words
	Run     func(*Call) error
}

// A Call is one run of an applet. It works in the process's own folder.
type Call struct {
	Applet
	Args   []string
	Stdin  *input
	Stdout *output
	Stderr io.Writer

	flags   *pflag.FlagSet // the applet adds its options before it calls parse
	status  int            // of a run that ends without an error
	trouble int            // the status of a failure: 1, unless an applet has another
}

// Status is the error of a run that ends with an exit status and without another message.
type Status int

func (s Status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageError is a command line that does not make sense; the exit status is 2.
type usageError struct{ msg string }

func (e usageError) Error() string { return e.msg }

// Find returns the applet of this name.
func Find(name string) (Applet, bool) {
	a, ok := table()[name]
	return a, ok
}

// Names returns the names of all applets, sorted.
func Names() []string { return slices.Sorted(maps.Keys(table())) }

// Main runs the applet on the process's own standard streams and returns the exit
// status: 0, 1 for a failure, 2 for a wrong command line, or the applet's own.
func (a Applet) Main(args []string) int { return a.Within(args, os.Stdin, os.Stdout, os.Stderr) }

// Within is Main with other streams than the process's own.
func (a Applet) Within(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := newOutput(stdout)
	c := &Call{Applet: a, Args: args, Stdin: &input{stdin, out}, Stdout: out, Stderr: stderr, trouble: 1}
	c.flags = pflag.NewFlagSet(a.Name, pflag.ContinueOnError)
	c.flags.SortFlags = false
	c.flags.SetOutput(io.Discard)
	c.flags.Usage = func() {
		c.printf("usage: %s %s\n", a.Name, a.Usage)
		if c.flags.HasFlags() {
			c.printf("\n%s", c.flags.FlagUsages())
		}
	}
	status := c.finish(c.attempt())
	switch err := out.flush(); {
	case errors.Is(err, unix.EPIPE):
		return statusSignal + int(unix.SIGPIPE) // as the signal would have it, which a standard output gets
	case err != nil:
		c.warn(err)
		return max(status, c.trouble)
	}
	return status
}

// attempt runs the applet. A wrong command line and --help end the run within parse.
func (c *Call) attempt() (err error) {
	defer func() {
		switch end := recover().(type) {
		case nil:
		case usageError:
			err = end
		case Status:
			err = end
		default:
			panic(end)
		}
	}()
	return c.Run(c)
}

// statusSignal and a signal's number are the exit status of a process that the signal ended.
const statusSignal = 128

// finish turns the error of a run into a message and an exit status.
func (c *Call) finish(err error) int {
	var status Status
	var usage usageError
	var own statusError
	switch {
	case err == nil:
		return c.status
	case errors.As(err, &own):
		c.warn(own.error)
		return own.status
	case errors.As(err, new(outputError)):
		return c.status
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage):
		fmt.Fprintf(c.Stderr, "%s: %s\nusage: %s %s\n", c.Name, usage.msg, c.Name, c.Usage)
		return 2
	}
	c.warn(err)
	return c.trouble
}

// warn prints an error and changes the exit status; the run goes on.
func (c *Call) warn(err error) {
	c.status = max(c.status, c.trouble)
	_ = c.Stdout.flush() // Within reports its error
	msg := strings.TrimPrefix(err.Error(), c.Name+": ")
	fmt.Fprintf(c.Stderr, "%s: %s\n", c.Name, msg)
}

// printf writes to standard output. A reader that is gone ends the process by
// SIGPIPE; Within reports other errors, so that callers need not.
func (c *Call) printf(format string, args ...any) { fmt.Fprintf(c.Stdout, format, args...) }

// lines prints texts, each in a line of its own.
func (c *Call) lines(texts []string) {
	for _, text := range texts {
		c.printf("%s\n", text)
	}
}

// say is printf for applets that run long: it writes at once.
func (c *Call) say(format string, args ...any) {
	c.printf(format, args...)
	_ = c.Stdout.flush() // Within reports its error
}

// parse reads the options and returns the operands, of which there must be at
// least min and, unless max is negative, at most max. A wrong command line ends the run.
func (c *Call) parse(min, max int) []string {
	err := c.flags.Parse(separated(c.flags, c.Args))
	if errors.Is(err, pflag.ErrHelp) {
		panic(Status(0))
	}
	if err != nil {
		panic(usageError{err.Error()})
	}
	c.count(c.flags.NArg(), min, max)
	return c.flags.Args()
}

// command is parse for applets that run another command, whose options are not theirs.
func (c *Call) command(min int) []string {
	c.flags.SetInterspersed(false)
	return c.parse(min, -1)
}

// option adds an option with a value that parse reads. The help has the name of the value in
// backquotes, as pflag.UnquoteUsage wants it. Default: otherwise.
func option[T any](c *Call, name, short string, otherwise T, help string, parse func(string) (T, error)) *T {
	v := otherwise
	c.flags.FuncP(name, short, help, func(text string) (err error) {
		v, err = parse(text)
		return err
	})
	return &v
}

// hyphened returns arguments with -- before the first operand that starts with a hyphen, such as
// the number -1, if there is one.
func hyphened(args []string, isOperand func(string) bool) []string {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if len(arg) > 1 && arg[0] == '-' && isOperand(arg) && (i == 0 || args[i-1] != "-s") { // which takes a value
			operands := slices.Clone(args[i:])
			if end := slices.Index(operands, "--"); end > 0 {
				operands = slices.Delete(operands, end, end+1)
			}
			return slices.Concat(args[:i], []string{"--"}, operands)
		}
	}
	return args
}

// separated parts short options from values that begin with =, which pflag leaves out:
// -d= and -e=x mean "=" and "=x".
func separated(f *pflag.FlagSet, args []string) (out []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...)
		}
		at := valueStart(f, arg)
		switch {
		case at > 0 && at < len(arg) && arg[1] != '-':
			out, arg = append(out, arg[:at]), arg[at:]
		case at == len(arg) && i+1 < len(args):
			i++
			out, arg = append(out, arg), args[i] // a value, whatever it looks like
		}
		out = append(out, arg)
	}
	return out
}

// valueStart returns where in an option its value starts, which is its end if the value
// is the next argument, or 0 if there is none.
func valueStart(f *pflag.FlagSet, arg string) int {
	if name, ok := strings.CutPrefix(arg, "--"); ok {
		if o := f.Lookup(name); o != nil && o.NoOptDefVal == "" {
			return len(arg)
		}
		return 0
	}
	if len(arg) < 2 || arg[0] != '-' {
		return 0
	}
	for i := 1; i < len(arg); i++ {
		o := f.ShorthandLookup(arg[i : i+1])
		if o == nil {
			return 0
		}
		if o.NoOptDefVal == "" {
			return i + 1
		}
	}
	return 0
}

// count checks a number of operands.
func (c *Call) count(n, min, max int) {
	switch {
	case n < min && n == 0:
		panic(usageError{"operand missing"})
	case n < min:
		panic(usageError{fmt.Sprintf("%d operands; it takes at least %d", n, min)})
	case max >= 0 && n > max:
		panic(usageError{fmt.Sprintf("%d operands; it takes at most %d", n, max)})
	}
}

// eachInput calls fn for every file, or for standard input where there is none or
// it is called "-". After an error it goes on with the next file.
func (c *Call) eachInput(files []string, fn func(name string, r io.Reader) error) error {
	for _, name := range orElse(files, "-") {
		err := c.input(name, fn)
		if errors.As(err, new(outputError)) || errors.As(err, new(Status)) {
			return err // there is no more to do
		}
		if err != nil {
			c.warn(err)
		}
		if own := (statusError{}); errors.As(err, &own) {
			c.status = own.status
		}
	}
	return nil
}

// orElse returns operands, or the one that stands for none.
func orElse(operands []string, only string) []string {
	if len(operands) == 0 {
		return []string{only}
	}
	return operands
}

func (c *Call) input(name string, fn func(string, io.Reader) error) error {
	in, err := c.open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	return fn(name, in)
}

// open opens a file, or standard input where it is called "-".
func (c *Call) open(name string) (*input, error) {
	if name == "-" {
		return c.Stdin, nil
	}
	f, err := os.Open(name)
	return &input{f, c.Stdout}, err
}
