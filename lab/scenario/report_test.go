package scenario

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"image"
	"image/color"
	"strings"
	"testing"
	"time"

	"ingot/recipes/script"
	"ingot/vm"
)

func results() []*Result {
	failed := &Result{Name: "page", Started: time.Unix(0, 0), Seconds: 1.5, Consoles: []Console{{"web", "boot\x1b[0m\x00 <ok>\r\n"}}}
	failed.fail(&script.Step{File: "lab.yaml", Line: 7}, &vm.FailureError{Kind: vm.Panicked, Name: "the kernel panicked", Tail: "  Kernel panic\x07"})
	return []*Result{{Name: "boot", Started: time.Unix(0, 0), Seconds: 2}, failed}
}

// TestJUnit reads the report back as XML: counts, the message, and a console without the
// characters that XML does not have, or a terminal should not get.
func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJUnit(&b, "lab", results()); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s", err, b.Bytes())
	}
	if got.Tests != 2 || got.Failures != 1 || got.Time != "3.500" || len(got.Suites) != 1 || got.Suites[0].Timestamp != "1970-01-01T00:00:00" {
		t.Errorf("the report is %+v", got)
	}
	c := got.Suites[0].Cases[1]
	if c.Failure == nil || c.Failure.Message != "lab.yaml:7: the kernel panicked" || c.Failure.Type != "panic" || !strings.Contains(c.Failure.Text, "Kernel panic") {
		t.Errorf("the failure is %+v", c.Failure)
	}
	if !strings.Contains(c.Out, "=== console of web\nboot\\x1b[0m\\x00 <ok>\n") {
		t.Errorf("the console is %q", c.Out)
	}
	if got.Suites[0].Cases[0].Failure != nil {
		t.Errorf("the test that passed has failed: %+v", got.Suites[0].Cases[0].Failure)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJSON(&b, results()); err != nil {
		t.Fatal(err)
	}
	var got []Result
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got[0].Failed != "" || got[1].Kind != "panic" || !strings.HasPrefix(got[1].Failed, "lab.yaml:7: ") {
		t.Errorf("results = %+v", got)
	}
}

// TestDifference counts pixels that differ visibly, and no others.
func TestDifference(t *testing.T) {
	a, b := image.NewNRGBA(image.Rect(0, 0, 10, 10)), image.NewNRGBA(image.Rect(5, 5, 15, 15))
	for i := range 10 {
		b.Set(5+i, 7, color.NRGBA{R: visible, A: 255})
		b.Set(5+i, 8, color.NRGBA{R: visible - 1, A: 255})
	}
	if got := Difference(a, b); got != 10 {
		t.Errorf("Difference = %g%%; want 10%%", got)
	}
	for share, ok := range map[float64]bool{10: true, 9.9: false} {
		if err := like(a, b, "a.png", script.Likeness{File: "b.png", Percent: share}); (err == nil) != ok {
			t.Errorf("like, tolerance %g%%: %v", share, err)
		}
	}
	want := "a.png has (10,10) pixels, and b.png (4,4)"
	if err := like(a, image.NewNRGBA(image.Rect(0, 0, 4, 4)), "a.png", script.Likeness{File: "b.png", Percent: 100}); err == nil || err.Error() != want {
		t.Errorf("like = %v; want %s", err, want)
	}
}
