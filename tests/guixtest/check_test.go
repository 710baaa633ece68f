package guixtest

import (
	"os"
	"path/filepath"
	"testing"

	"ingot/storedb"
)

// TestCheck has ingot check the store that Guix has built in, and then that store with
// an item spoiled.
func TestCheck(t *testing.T) {
	c := source(t)
	report, err := storedb.CheckRoot(t.Context(), c.root, storedb.CheckOptions{Flavour: storedb.Guix})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) > 0 || report.Items != report.Paths || report.Paths < len(c.items(t, false)) {
		t.Errorf("CheckRoot of Guix's own store = %+v; want all paths there, and nothing found", report)
	}

	root := c.registerRoot(t, false)
	name := filepath.Join(root, pathOf(t, c.items(t, false), "current"))
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	report, err = storedb.CheckRoot(t.Context(), root, storedb.CheckOptions{Flavour: storedb.Guix})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) != 1 || report.Findings[0].Fault != storedb.FaultMissing {
		t.Errorf("CheckRoot without %s = %+v; want that it is missing", name, report.Findings)
	}
}
