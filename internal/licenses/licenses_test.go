package licenses

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Apache License", "github.com/u-root/u-root", "Redistribution and use in source and binary forms",
		"Copyright 2009 The Go Authors", "SQLite is in the public domain",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("Write does not print %q", want)
		}
	}
	if Glibc() != "" {
		for _, want := range []string{"GNU C Library, version " + Glibc(), "You may change the library and link ingot", "GNU LESSER GENERAL PUBLIC LICENSE"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("linked with glibc %s, Write does not print %q", Glibc(), want)
			}
		}
	}
}

func TestGlibc(t *testing.T) {
	out, err := exec.Command("getconf", "GNU_LIBC_VERSION").Output()
	if err != nil {
		t.Skip("this system's C library is not glibc")
	}
	if got, want := "glibc "+Glibc(), strings.TrimSpace(string(out)); got != want {
		t.Errorf("Glibc() = %s; want %s", got, want)
	}
}

// TestOwn holds ingot's own licence, which cannot be embedded from where it stands.
func TestOwn(t *testing.T) {
	want, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	if ingot != string(want) {
		t.Error("ingot.txt is not LICENSE")
	}
}
