package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"ingot/internal/printable"
	"ingot/vm/run"
)

// stopTime is how long a guest may take to power itself off.
const stopTime = 30 * time.Second

func newStop() *cobra.Command {
	var all, now bool
	var within time.Duration
	c := &cobra.Command{
		Use:   "stop NAME... | --all",
		Short: "end running machines",
		Long: `End running machines. ingot asks each guest to power off, as the power button of a
computer does, and ends one by force that does not do so in time.`,
		Example: `  ingot stop web
  ingot stop --all --now`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case all && len(args) > 0:
				return errors.New("give either names of machines or --all")
			case !all && len(args) == 0:
				return errors.New("name machines, or give --all")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			r, err := registry()
			if err != nil {
				return err
			}
			list, err := machines(r, args)
			if err != nil {
				return err
			}
			var failed error
			for _, e := range list {
				forced, err := r.Stop(e, now, within)
				switch {
				case err != nil:
					failed = errors.Join(failed, err)
				case forced && !now:
					sayLines(c.ErrOrStderr(), "ingot: ", fmt.Sprintf("%s did not power off within %s and was ended", printable.Name(e.Name), within))
				}
			}
			return failed
		},
	}
	c.Flags().BoolVar(&all, "all", false, "stop all machines of this user")
	c.Flags().BoolVar(&now, "now", false, "stop at once, without asking the guest")
	addTimeout(c.Flags(), &within, "grace", stopTime, true, "how long a guest may take to power off")
	return c
}

// machines finds those with the names, or all.
func machines(r *run.Registry, names []string) ([]run.Entry, error) {
	if len(names) == 0 {
		return r.List()
	}
	var list []run.Entry
	var failed error
	for _, name := range names {
		e, err := r.Find(name)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		list = append(list, e)
	}
	return list, failed
}
