package recipes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestNotARecipe gives files that are something else: the message says what, and quotes
// nothing that is long.
func TestNotARecipe(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{"", "x: the recipe is empty"},
		{"# nothing\n\n", "x: the recipe is empty"},
		{"\x1f\x8b\x08\x00\x00\x00\x00\x00", "x: not a recipe: it looks like data compressed by gzip"},
		{"\x7fELF\x02\x01\x01\x00", "x: not a recipe: it looks like an ELF program"},
		{"a\x00\x01b", "x: not a recipe: it looks like binary data"},
		{"name: x\n# a slip\x01 of the fingers, which is no reason to give up\n", `x:2:1: not YAML: control characters are not allowed; in double quotes, the one here is written \x01`},
		{strings.Repeat("\x00", 512), "x: not a recipe: it looks like zeros alone"},
		{"n\x00a\x00m\x00e\x00:\x00 \x00x\x00", "x: not a recipe: it looks like text in UTF-16"},
		{"name: x\nnote: caf\xe9\n", "x: not a recipe: it looks like text in another encoding than UTF-8: line 2"},
		{"<!DOCTYPE html>\n<title>x: y</title>\n", "x: not a recipe: it looks like an HTML page"},
		{"/nix/store/00000000000000000000000000000001-a\n\n0\n", "x: not a recipe: it looks like a reference graph"},
		{"{ pkgs ? import <nixpkgs> {} }:\npkgs.hello\n", "x: not a recipe: it looks like a Nix expression"},
		{"FROM debian\nRUN true\n", "x: not a recipe: it looks like a Dockerfile"},
		{"#!/bin/sh\necho x\n", "x: not a recipe: it looks like a script"},
		{`["a", "b"]`, "x: not a recipe: it is a list, where keys"},
		{"- a\n- b\n", "x: not a recipe: it is a list, where keys"},
		{"just words\n", "x: not a recipe: it is a single text, where keys"},
		{"null\n", "x: not a recipe: there is nothing in it"},
		{"name: x\n---\nname: y\n", "x: a recipe is one YAML document"},
		{"name: x\n---\n\tname: [\n", "x:3:1: not YAML: "},
		{"machines: {a: {recipe: rescue}}\n", "x:1:1: not a recipe: it has machines"},
		{"version: 3\nservices: {}\nnetworks: {}\nvolumes: {}\nx: {}\n", `x:1:1: not a recipe: it has the keys "version", "services", "networks" and 2 others; known are name, `},
		{"name: @x\n", "x:1:1: not YAML: "},
		{"name: x\nnote: \"a\x1bb\"\n", `x:2:1: not YAML: control characters are not allowed; in double quotes, the one here is written \x1b`},
		{"name: %x\n", "needs quotation marks"},
		{"\ufeffname: x\r\n", "x:1:1: disk: is missing"},
		{"\xff\xfen\x00a\x00m\x00e\x00:\x00 \x00x\x00\n\x00", "x:1:1: disk: is missing"},
		{`{"name": "x"}`, "x:1:1: disk: is missing"},
	} {
		_, err := Parse("x", ".", []byte(x.text), nil)
		if err == nil || !strings.Contains(err.Error(), x.want) || len(err.Error()) > 500 {
			t.Errorf("Parse(%.60q): %v; want %q", x.text, err, x.want)
		}
	}
}

// TestManyMistakes bounds how many are named.
func TestManyMistakes(t *testing.T) {
	_, err := Parse("x", ".", []byte("name: x\n"+strings.Repeat("a", 400)+": b\n"+strings.Repeat("name: x\n", 100)), nil)
	if err == nil || strings.Count(err.Error(), "\n") != mostErrors || !strings.HasSuffix(err.Error(), " more mistakes") || len(err.Error()) > 2000 {
		t.Errorf("Parse: %v; want %d lines and how many more", err, mostErrors)
	}
}

// TestManyPartitions: more partitions than a table holds are one mistake, found before any work.
func TestManyPartitions(t *testing.T) {
	for n, want := range map[int]string{128: "", 4000: "x:2:20: disk.partitions: there are 4000, and a disk has at most 128"} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "{name: p%d, size: 1MiB}, ", i)
		}
		_, err := Parse("x", ".", []byte("name: x\ndisk: {partitions: ["+b.String()+"]}"), nil)
		if got := fmt.Sprint(err); want != "" && got != want || want == "" && err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// TestMistakesAreCounted: of millions, no more is kept than what is named.
func TestMistakesAreCounted(t *testing.T) {
	const more = 1000
	var text strings.Builder
	text.WriteString("name: x\n")
	for i := range more {
		fmt.Fprintf(&text, "k%d: x\n", i)
	}
	text.WriteString("bootloader: {arguments: [" + strings.Repeat("{}, ", more) + "]}\ndisk: 1\n")
	root, err := parseYAML("x", "recipe", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	d := decodeRoot("x", ".", root, reflect.ValueOf(&Recipe{}).Elem())
	if len(d.errs) != mostErrors || d.more != 2*more+1-mostErrors {
		t.Errorf("%d mistakes are kept, and %d counted; want %d and %d", len(d.errs), d.more, mostErrors, 2*more+1-mostErrors)
	}
	d.add(errors.New("one"), errors.New("another"))
	if want := fmt.Sprintf("\nx: and %d more mistakes", 2*more+3-mostErrors); !strings.HasSuffix(d.err().Error(), want) {
		t.Errorf("err = %v; want it to end with %q", d.err(), want)
	}
	few := &decoder{source: &source{file: "x"}}
	few.add(make([]error, mostErrors-1)...)
	if few.add(errors.New("one"), errors.New("another")); len(few.errs) != mostErrors || few.more != 1 {
		t.Errorf("%d are kept, and %d counted; want %d and 1", len(few.errs), few.more, mostErrors)
	}
}

// TestEmptyWords: a command may have empty words.
func TestEmptyWords(t *testing.T) {
	r, err := Parse("x", ".", []byte("name: x\ndisk: {partitions: [{name: a, filesystem: ext4}]}\nsteps: [{name: s, run: [printf, '']}]\n"), nil)
	if err != nil || !slices.Equal(r.Steps[0].Run, []string{"printf", ""}) {
		t.Errorf("Parse: %v, %v", r, err)
	}
}

// TestOverriddenFormat: a recipe for netboot may be built as a disk.
func TestOverriddenFormat(t *testing.T) {
	const text = "name: x\nsystem: {kernel: /k}\ndisk: {partitions: [{name: a, filesystem: ext4, contents: {store: true}}]}\noutput: {format: netboot, password: x}\n"
	for _, set := range []string{"output.format=raw", "output.format=netboot"} {
		if _, err := Parse("x", ".", []byte(text), []string{set}); err != nil {
			t.Errorf("Parse with %s: %v", set, err)
		}
	}
}

// TestNetbootOfNothing blames the recipe, and not the format that somebody asks for.
func TestNetbootOfNothing(t *testing.T) {
	_, err := Parse("x", ".", []byte("name: x\ndisk: {partitions: [{name: a, filesystem: ext4}]}\n"), []string{"output.format=netboot"})
	if want := "x:1:1: bootloader: there is nothing to boot by network: no system and no entries"; err == nil || err.Error() != want {
		t.Errorf("Parse = %v; want %s", err, want)
	}
}

// TestTooLong says what a file looks like that is no text.
func TestTooLong(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.yaml")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("QFI\xfb"); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(MaxText + 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(name, nil); err == nil || !strings.Contains(err.Error(), "no text to read: it looks like a disk image (qcow2)") {
		t.Errorf("Load: %v", err)
	}
}

// TestOtherLanguage gives a recipe where a network is wanted.
func TestOtherLanguage(t *testing.T) {
	var v struct {
		Name     string            `json:"name"`
		Machines map[string]string `json:"machines"`
	}
	_, err := Decode("x", "network", []byte("name: x\ndisk: {}\n"), &v)
	if want := "x:1:1: not a network: it has a disk, as a recipe"; err == nil || err.Error() != want {
		t.Errorf("Decode: %v; want %q", err, want)
	}
}

// TestAliases: what is repeated by aliases is bounded, whatever it is, and so is what repeats
// itself.
func TestAliases(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("name: x\nsteps:\n- &a0 {name: a, script: echo}\n")
	for i := range 9 {
		alias := fmt.Sprintf("*a%d", i)
		fmt.Fprintf(&laughs, "- &a%d [%s]\n", i+1, strings.Join(slices.Repeat([]string{alias}, 10), ", "))
	}
	list := func(n int) string {
		return "name: x\nl: &l [" + strings.Repeat("v, ", 998) + "v]\nm: [" + strings.Repeat("*l, ", n) + "]\n"
	}
	const limit = "aliases repeat more than 100000 values, which is the limit"
	for text, want := range map[string]string{
		laughs.String():           "x.yaml:8:8: " + limit,
		list(101):                 "x.yaml:3:405: " + limit,
		"name: &a [*a]\n":         "x.yaml:1:11: an alias repeats the value that it is part of",
		"name: &a {b: [c, *a]}\n": "x.yaml:1:18: an alias repeats the value that it is part of",
	} {
		if _, err := Parse("x.yaml", ".", []byte(text), nil); err == nil || err.Error() != want {
			t.Errorf("%.100s: %v; want %s", text, err, want)
		}
		if _, err := Decode("x.yaml", "network", []byte(text), new(struct{})); err == nil || err.Error() != want {
			t.Errorf("%.100s: Decode: %v; want %s", text, err, want)
		}
	}
	if _, err := Parse("x.yaml", ".", []byte(list(100)), nil); err == nil || strings.Contains(err.Error(), "aliases") {
		t.Errorf("100 aliases of 1000 values: %v; want what else is wrong", err)
	}
}
