package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ingot/internal/grammar"
	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/internal/shellwords"
)

// usageError is a command line that does not make sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// checkUsage makes the mistakes on the command lines of c and of the commands below it
// usageErrors that begin with the command's name.
func checkUsage(c *cobra.Command) {
	for _, sub := range c.Commands() {
		if check := sub.Args; check != nil || sub.Runnable() {
			sub.Args = func(c *cobra.Command, args []string) error {
				if err := usageOf(c, check, args); err != nil {
					return usageError{fmt.Errorf("%s: %w", verbName(c), err)}
				}
				return nil
			}
		}
		checkUsage(sub)
	}
}

// usageOf looks at the arguments of a command by its own check, which may be nil, and at what
// is a mistake for all commands.
func usageOf(c *cobra.Command, check cobra.PositionalArgs, args []string) error {
	if check != nil {
		if err := check(c, args); err != nil {
			return err
		}
	}
	return cmp.Or(emptyFlag(c), emptyName(c, args), longAfterOneDash(c), checkUses(c))
}

// verbName is how errors call a command: "build", "cache serve".
func verbName(c *cobra.Command) string {
	_, name, _ := strings.Cut(c.CommandPath(), " ")
	return name
}

// takes checks that a command has from least to most arguments; most is -1 if there may be any
// number of them.
func takes(least, most int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		wanted := grammar.Count(least, "argument")
		switch {
		case most == 0:
			wanted = "no arguments"
		case most < 0:
			wanted = "at least " + wanted
		case least == 0:
			wanted = "at most " + grammar.Count(most, "argument")
		case least < most:
			wanted = fmt.Sprintf("%d or %s", least, grammar.Count(most, "argument"))
		}
		given := "none is given"
		switch len(args) {
		case 0:
		case 1:
			given = "1 is given: " + quoted(args)
		default:
			given = fmt.Sprintf("%d are given: %s", len(args), quoted(args))
		}
		return fmt.Errorf("takes %s, and %s", wanted, given)
	}
}

// quoted is a list of arguments for a message, of which there may be many.
func quoted(args []string) string {
	const most = 4
	var list []string
	for _, arg := range args[:min(len(args), most)] {
		list = append(list, printable.Quote(arg))
	}
	if len(args) > most {
		list = append(list, "…")
	}
	return strings.Join(list, ", ")
}

// longAfterOneDash refuses -output FILE, which means the same as --output=utput.
func longAfterOneDash(c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		if err != nil || f.Shorthand == "" || f.Value.Type() != "string" {
			return
		}
		if name := f.Shorthand + f.Value.String(); len(name) > 2 && c.Flags().Lookup(name) != nil {
			err = fmt.Errorf("-%s is -%s with the value %q; did you mean --%s?", name, f.Shorthand, f.Value, name)
		}
	})
	return err
}

// flagError makes a mistake in the flags of a command a usageError, and says which flag was
// probably meant by one that is unknown.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usageError{err}
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	word := unknown.GetSpecifiedName()
	if letters := unknown.GetSpecifiedShortnames(); letters != "" {
		// One letter is near to too many, and a whole word after one dash has lost its first
		// letters if those are flags of their own.
		if word = letters; len(letters) < 2 {
			return usageError{err}
		}
		err = fmt.Errorf("unknown flag: -%s", printable.Cut(letters, 100))
	}
	if err := former(c, word); err != nil {
		return err
	}
	if meant := near.Word(word, names); meant != "" {
		return usageError{fmt.Errorf("%w; did you mean --%s?", err, meant)}
	}
	if verbs := verbsWith(c.Root(), word); len(verbs) > 0 && len(verbs) <= 3 {
		err = fmt.Errorf("%w; it is a flag of %s", err, grammar.And(verbs...))
	}
	return usageError{err}
}

// verbsWith returns the verbs that have a flag, in the order of the help.
func verbsWith(root *cobra.Command, flag string) (verbs []string) {
	for _, c := range root.Commands() {
		if f := c.LocalFlags().Lookup(flag); f != nil && !f.Hidden && flag != "help" {
			verbs = append(verbs, c.Name())
		}
	}
	return verbs
}

// emptyFlag refuses a flag that is given with nothing, as by a script whose variable is
// not set: that is not the same as a flag left out.
func emptyFlag(c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if err == nil && (len(values) == 0 || slices.Contains(values, "")) && !slices.Contains(emptyArguments, f.Name) {
			err = fmt.Errorf("--%s is empty; leave it out, or give it a value", f.Name)
		}
	})
	return err
}

// emptyArguments are flags whose values are the arguments of a program, which can be empty.
var emptyArguments = []string{"arg", "entrypoint"}

// emptyName refuses names that are empty, as emptyFlag does. What stands behind -- and what
// exec runs are words of others.
func emptyName(c *cobra.Command, args []string) error {
	if i := c.ArgsLenAtDash(); i >= 0 {
		args = args[:i]
	}
	if c.Name() != "exec" && slices.Contains(args, "") {
		return errors.New("an argument is empty; leave it out, or give it a value")
	}
	return nil
}

// usageHint shows what a command's line looks like.
func usageHint(c *cobra.Command) string {
	if !c.HasParent() {
		return "ingot help lists the verbs"
	}
	return fmt.Sprintf("%s; more by %s --help", c.UseLine(), c.CommandPath())
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [VERB]",
		Short: "show what ingot does, or how a verb is used",
		RunE: func(c *cobra.Command, args []string) error {
			verb, rest, err := c.Root().Find(args)
			if err == nil && !verb.HasParent() {
				err = unknownCommand(verb, rest)
			}
			if err != nil {
				return err
			}
			verb.InitDefaultHelpFlag()
			return verb.Help()
		},
	}
}

// verbNames are the names of the commands below c.
func verbNames(c *cobra.Command) (names []string) {
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	return names
}

// oneOf refuses a word that is none of those that a flag takes.
func oneOf(flag, word string, known ...string) error {
	if slices.Contains(known, word) {
		return nil
	}
	return usageError{fmt.Errorf("%s: %s is none of %s%s", flag, printable.Quote(word), strings.Join(known, ", "), near.Hint(word, known))}
}

// unknownCommand refuses what is no verb, and says what was probably meant.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if now := formerVerbs[args[0]]; now != "" {
		return usageError{fmt.Errorf("%s is now %s", args[0], now)}
	}
	err := fmt.Errorf("there is no verb %s", printable.Quote(args[0]))
	if (&recipeFlags{}).systemPath(args[0]) != "" {
		return usageError{fmt.Errorf("%w, but a system of that name: ingot run %[2]s boots it, ingot build %[2]s -o FILE writes its disk", err, shellwords.Quote(args[:1]))}
	}
	return usageError{fmt.Errorf("%w%s", err, near.Hint(args[0], verbNames(c)))}
}
