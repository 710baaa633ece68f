package recipes

import (
	"errors"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	type machine struct {
		Recipe string `json:"recipe" jsonschema:"required"`
		VLANs  []int  `json:"vlans"`
	}
	type file struct {
		Seed     uint64             `json:"seed"`
		Machines map[string]machine `json:"machines"`
	}
	var f file
	at, err := Decode("lab.yaml", "network", []byte("seed: 18446744073709551615\nmachines:\n  web: {recipe: a, vlans: [1, 2]}\n  db: {recipe: b}\n"), &f)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Machines) != 2 || f.Machines["web"].VLANs[1] != 2 || f.Machines["db"].Recipe != "b" || f.Seed != 1<<64-1 {
		t.Errorf("decoded %+v", f)
	}
	cause := errors.New("the cause")
	if err := at("machines.web.vlans[1]", cause); !errors.Is(err, cause) || err.Error() != "lab.yaml:3:31: machines.web.vlans[1]: the cause" {
		t.Errorf("placed error: %v", err)
	}
	for text, want := range map[string]string{
		"":                                      "lab.yaml: the network is empty",
		"machines: {web: {recipe: a}}\n---\n{}": "a network is one YAML document",
		"machines: [a]":                         "machines: a list where a mapping belongs",
		"machines:\n  web: {recipe: a}\n  web: {recipe: b}\n": "lab.yaml:3:3: machines.web: stands twice",
		"machines:\n  web: {recpie: a}":                       `lab.yaml:2:9: machines.web.recpie: unknown key; did you mean "recipe"?`,
		"machines:\n  web: {}":                                "lab.yaml:2:8: machines.web.recipe: is missing",
		"seed: -1":                                            "whole number from 0 to 18446744073709551615",
	} {
		_, err := Decode("lab.yaml", "network", []byte(text), new(file))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Decode(%q): %v; want %q", text, err, want)
		}
	}
}
