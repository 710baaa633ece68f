package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a command line that does not make sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// checkUsage makes the mistakes on the command lines of c and of the commands below it
// usageErrors that begin with the command's name.
func checkUsage(c *cobra.Command) {
	for _, sub := range c.Commands() {
		if check := sub.Args; check != nil {
			sub.Args = func(c *cobra.Command, args []string) error {
				err := check(c, args)
				if err == nil {
					err = emptyFlag(c)
				}
				if err != nil {
					return usageError{fmt.Errorf("%s: %w", verbName(c), err)}
				}
				return nil
			}
		}
		checkUsage(sub)
	}
}

// verbName is how errors call a command: "build", "cache serve".
func verbName(c *cobra.Command) string {
	_, name, _ := strings.Cut(c.CommandPath(), " ")
	return name
}

// emptyFlag refuses a flag that is given with nothing, as by a script whose variable is
// not set: that is not the same as a flag left out.
func emptyFlag(c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" {
			err = fmt.Errorf("--%s is empty; leave it out, or give it a value", f.Name)
		}
	})
	return err
}

// exclusive has a command refuse two flags that contradict each other, as every mistake on
// its line is refused: cobra's own refusal is in other words, and of another status.
func exclusive(c *cobra.Command, one, other string) {
	c.MarkFlagsMutuallyExclusive(one, other) // by which a shell completes only one of them
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return err
		}
		if f := c.Flags(); f.Changed(one) && f.Changed(other) {
			return fmt.Errorf("--%s and --%s exclude each other: give one of the two", one, other)
		}
		return nil
	}
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

// unknownCommand refuses what is no verb, and says what was probably meant.
func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("there is no verb %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %q?", err, near[0])
	}
	return usageError{err}
}
