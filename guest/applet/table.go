package applet

import (
	"fmt"
	"slices"
	"sync"
	"text/tabwriter"
)

var (
	once   sync.Once
	byName map[string]Applet
)

// table returns all applets by name.
func table() map[string]Applet {
	once.Do(func() {
		byName = map[string]Applet{}
		for _, group := range groups() {
			for _, a := range group.applets {
				byName[a.Name] = a
			}
		}
	})
	return byName
}

// group is applets that help shows together.
type group struct {
	title   string
	applets []Applet
}

func groups() []group {
	return []group{
		{"Disks and file systems", diskApplets()},
		{"Files", fileApplets()},
		{"Text", textApplets()},
		{"Archives and sums", archiveApplets()},
		{"Processes", processApplets()},
		{"System", systemApplets()},
		{"Network", slices.Concat(netApplets(), httpApplets())},
		{"Scripts", scriptApplets()},
	}
}

// runHelp lists the applets, or shows how one is used.
func runHelp(c *Call) error {
	names := c.parse(0, 1)
	if len(names) == 1 {
		a, ok := Find(names[0])
		if !ok {
			return fmt.Errorf("no command is called %q; `help` alone lists them", names[0])
		}
		c.printf("%s %s\n    %s\n", a.Name, a.Usage, a.Summary)
		return nil
	}
	for _, g := range groups() {
		c.printf("%s\n", g.title)
		w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
		for _, a := range g.applets {
			fmt.Fprintf(w, "  %s\t%s\n", a.Name, a.Summary)
		}
		w.Flush()
	}
	c.printf("`help NAME` shows the arguments of one, `NAME --help` its options.\n")
	return nil
}
