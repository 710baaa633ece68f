package scenario

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"ingot/internal/printable"
	"ingot/recipes/script"
	"ingot/vm"
)

// A Result is how a test went.
type Result struct {
	Name     string       `json:"name"`
	Started  time.Time    `json:"started"`
	Seconds  float64      `json:"seconds"`
	Steps    []StepResult `json:"steps"`
	Failed   string       `json:"failed,omitempty"` // FILE:LINE and why, if it has
	Kind     string       `json:"kind,omitempty"`   // of a machine's failure: "panic", "no boot"
	Consoles []Console    `json:"-"`

	Err error `json:"-"`
}

// StepResult is how a step went.
type StepResult struct {
	Line    int      `json:"line"`
	Text    string   `json:"text"`
	Seconds float64  `json:"seconds"`
	Failed  string   `json:"failed,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// Console is the output of a machine.
type Console struct {
	Machine string
	Text    string
}

func (r *Result) fail(s *script.Step, err error) {
	r.Err = fmt.Errorf("%s: %w", s.Place(), err)
	r.Failed = r.Err.Error()
	var f *vm.FailureError
	if errors.As(err, &f) {
		r.Kind = string(f.Kind)
	}
}

// WriteJSON writes results, for programs.
func WriteJSON(w io.Writer, results []*Result) error {
	e := json.NewEncoder(printable.NewWriter(w))
	e.SetIndent("", "  ")
	return e.Encode(results)
}

// The elements of a JUnit report that those who read it agree on:
// https://github.com/testmoapp/junitxml
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr,omitempty"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitFailure `xml:"failure"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes results as a JUnit report, of which CI services show tables.
func WriteJUnit(w io.Writer, suite string, results []*Result) error {
	s := junitSuite{Name: printable.Name(suite), Tests: len(results)}
	total := 0.0
	for _, r := range results {
		c := junitCase{Name: printable.Name(r.Name), Class: printable.Name(suite), Time: fmt.Sprintf("%.3f", r.Seconds)}
		if r.Failed != "" {
			s.Failures++
			first, _, _ := strings.Cut(r.Failed, "\n")
			c.Failure = &junitFailure{Message: printable.Text(first), Type: r.Kind, Text: printable.Text(r.Failed)}
		}
		for _, console := range r.Consoles {
			c.Out += printable.Text(fmt.Sprintf("=== console of %s\n%s\n", console.Machine, console.Text))
		}
		total += r.Seconds
		s.Cases = append(s.Cases, c)
	}
	s.Time = fmt.Sprintf("%.3f", total)
	if len(results) > 0 {
		s.Timestamp = results[0].Started.UTC().Format("2006-01-02T15:04:05")
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	err := e.Encode(junitSuites{Tests: s.Tests, Failures: s.Failures, Time: s.Time, Suites: []junitSuite{s}})
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return err
}
