package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ingot/internal/printable"
	"ingot/partition"
	"ingot/vm/run"
)

func newPs() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "ps",
		Short: "list this user's running machines",
		Example: `  ingot ps
  ingot ps --json | jq -r '.[].name'`,
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := registry()
			if err != nil {
				return err
			}
			list, err := r.List()
			if err != nil {
				return err
			}
			if asJSON {
				if list == nil {
					list = []run.Entry{}
				}
				return printJSON(c.OutOrStdout(), list)
			}
			return printMachines(c, list)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON; with the sockets")
	return c
}

func printMachines(c *cobra.Command, list []run.Entry) error {
	if len(list) == 0 {
		fmt.Fprintf(c.ErrOrStderr(), "ingot: no machine of this user's is running\n")
		return nil
	}
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tPROCESS\tUP\tBOOT\tMEMORY\tRUNS")
	for _, e := range list {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", printable.Name(e.Name), e.PID, time.Since(e.Started).Round(time.Second), printable.Name(string(e.Boot)), partition.FormatBytes(e.Memory), printable.Name(e.What))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	// A command is no column: it would make all of them as wide as it is.
	rows := strings.SplitAfter(table.String(), "\n")
	out := rows[0]
	for i, e := range list {
		out += rows[i+1]
		for _, command := range []string{e.SSH, e.Build} {
			if command != "" {
				out += "  " + printable.Name(command) + "\n"
			}
		}
	}
	_, err := io.WriteString(c.OutOrStdout(), out)
	return err
}
