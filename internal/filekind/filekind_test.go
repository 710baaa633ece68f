package filekind

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
	"unicode/utf16"

	"ingot/image/fileformat"
)

// at is a file of zeros with bytes at an offset.
func at(off int, b string) string { return strings.Repeat("\x00", off) + b }

func wide(s string, first, second uint) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = append(b, byte(u>>first), byte(u>>second))
	}
	return string(b)
}

func TestOf(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write([]byte("name: x\n"))
	w.Close()
	const item = "/nix/store/00000000000000000000000000000001-a"
	for _, x := range []struct{ text, want string }{
		{"", "an empty file"},
		{"name: x\n", ""},
		{"\ufeffname: x\r\n", ""},
		{"name: grüße\n", ""},
		{zipped.String(), "data compressed by gzip"},
		{at(257, "ustar\x00"), "a tar archive"},
		{"QFI\xfb\x00\x00\x00\x03", "a disk image (qcow2)"},
		{at(32769, "CD001\x01"), "an ISO image"},
		{at(510, "\x55\xaaEFI PART"), "a disk image"},
		{at(0x438, "\x53\xef"), "an ext2, ext3 or ext4 file system"},
		{at(64, ""), "zeros alone, as a disk image without contents has"},
		{"\x7fELF\x02", "an ELF program"},
		{"a\x00b\x01c", "binary data"},
		{"\xff\xfe" + wide("name: x\n", 0, 8), "text in UTF-16"},
		{wide("name: x\n", 0, 8), "text in UTF-16"},
		{wide("name: x\n", 8, 0), "text in UTF-16"},
		{"name: x\nnote: caf\xe9\n", "text in another encoding than UTF-8: line 2 has the byte 0xe9"},
		{strings.Repeat("x", Head-1) + "é", ""},
		{"\n <!DOCTYPE html>\n<html>", "an HTML page"},
		{"<?xml version=\"1.0\"?><a/>", "an XML document"},
		{"#!/bin/sh\n", "a script for an interpreter (#!)"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n", "a private key"},
		{"-----BEGIN CERTIFICATE-----\n", "a certificate"},
		{"ssh-ed25519 AAAAC3Nz x\n", "a public SSH key"},
		{item + "\n\n0\n", "a reference graph"},
		{item + "\n" + item + ".drv\n0\n", "a reference graph"},
		{item + "\nsha256:0000\n", "a registration"},
		{item + "\r\nsha256:0000\r\n", "a registration"},
		{item + "\r\n\r\n0\r\n", "a reference graph"},
		{item + "\n" + item + "\n", "a list of store paths"},
		{`{"name": "x", "n": [1, 2]}`, "JSON"},
		{`{"name": "x", "n": [1, 2`, "JSON that is cut off"},
		{`{name: x, disk: {}}`, ""},
		{"[" + strings.Repeat(`"x",`, Head), "JSON"},
		{"{ pkgs ? import <nixpkgs> {} }:\npkgs.hello\n", "a Nix expression"},
		{"{ config, pkgs, ... }:\n{ }\n", "a Nix expression"},
		{"(operating-system\n (host-name \"x\"))\n", "Guile Scheme"},
		{";; a system\n(use-modules (gnu))\n", "Guile Scheme"},
		{"FROM debian\nRUN true\n", "a Dockerfile"},
		{"[unit]\nkey = \"value\"\n", "a TOML or INI file"},
	} {
		if got := Of([]byte(x.text)); got != x.want {
			t.Errorf("Of(%.40q) = %q; want %q", x.text, got, x.want)
		}
	}
}

// TestShippedYAML holds that no recipe is taken for something else.
func TestOfYAML(t *testing.T) {
	for _, text := range []string{
		"# a comment\nname: x\ndisk: {partitions: []}\n",
		"---\nname: x\n",
		"machines:\n  a: {recipe: rescue}\n",
		"- a\n- b\n",
		"start\nwait line login:\n",
	} {
		if got := Of([]byte(text)); got != "" {
			t.Errorf("Of(%q) = %q; want nothing", text, got)
		}
	}
}

// TestFormat names formats as package fileformat does, and a program or a boot sector none.
func TestFormat(t *testing.T) {
	for _, m := range magics {
		name := m.format
		switch name {
		case "":
			continue
		case document:
			name = ""
		default:
			if _, ok := fileformat.Named(name); !ok {
				t.Errorf("%s: there is no format %q", m.kind, name)
			}
		}
		if got := Format([]byte(at(m.at, m.bytes))); got != name {
			t.Errorf("Format of %s = %q; want %q", m.kind, got, name)
		}
		if got := IsDocument([]byte(at(m.at, m.bytes))); got != (m.format == document) {
			t.Errorf("IsDocument of %s = %v", m.kind, got)
		}
	}
	for text, want := range map[string]string{
		"": "", "name: x\n": "", "BZh91AY&SY": "bzip2", "BZhello, this is a text": "", "!<arch>\nlib.o/": "", "QFI\xfb\x00\x00\x00\x03": "",
		"\x1f\x8b\x00": "", at(257, "ustar") + strings.Repeat("\x00", 248) + "\x55\xaa": "",
	} {
		if got := Format([]byte(text)); got != want {
			t.Errorf("Format(%.20q) = %q; want %q", text, got, want)
		}
	}
}
