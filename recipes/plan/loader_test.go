package plan

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"ingot/bootloader"
	"ingot/bootloader/kernel"
	"ingot/bootloader/loaders"
	"ingot/image"
	"ingot/partition"
	"ingot/partition/volume"
	"ingot/recipes"
	"ingot/tests/reference"
)

// stub starts a kernel as a program of UEFI, by itself, with the command line in a script of
// UEFI's shell beside it.
type stub struct {
	Platforms []string        `json:"platforms,omitempty" jsonschema_description:"efi."`
	Script    bootloader.Path `json:"script,omitempty" jsonschema_description:"What runs before the kernel."`
	Quick     bool            `json:"quick,omitempty" jsonschema_description:"Without a pause."`
}

var stubKind = bootloader.Kind{
	Name: "stub", Title: "The stub", About: "A kernel as a program of UEFI.",
	Reads:     func(*volume.Kind) bool { return true },
	New:       func() bootloader.Loader { return new(stub) },
	Partition: func(bootloader.Platform, partition.Kind) string { return "esp" },
}

func (s *stub) Firmware() []string { return s.Platforms }

func (s *stub) CheckArgument(a string) error {
	if strings.Contains(a, "%") {
		return fmt.Errorf("kernel argument %s: the shell of UEFI takes %% for a variable", a)
	}
	return bootloader.CheckArgument(a)
}

func (s *stub) CheckCommandLine(m bootloader.Menu, e bootloader.Entry, h kernel.Header, _ bool) error {
	return m.CheckCommandLine(e, h, "the stub", 0)
}

func (s *stub) Install(_ context.Context, t bootloader.Target) (out bootloader.Installed, err error) {
	e, _ := t.Menu.Boots()
	args, err := t.Menu.Arguments(e)
	if err != nil {
		return out, &bootloader.MenuError{Err: err}
	}
	data, err := bootloader.Lookup(t.Boot.Lookup).Data(e.Kernel)
	if err != nil {
		return out, err
	}
	if err := bootloader.AddEFI(t.ESP, t.Platforms[0], data); err != nil {
		return out, err
	}
	script := fmt.Sprintf("%s%t \\EFI\\BOOT\\BOOTX64.EFI %s\n", s.Script.Host, s.Quick, bootloader.CommandLine(args))
	return out, t.ESP.Put("/startup.nsh", image.NewFile(0o644, image.Bytes(script)))
}

// TestAnotherLoader registers a boot loader in one place, and has the language, its schema,
// its reference and its messages know it, and images start by it.
func TestAnotherLoader(t *testing.T) {
	t.Cleanup(loaders.Add(stubKind))
	schema, err := recipes.Schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"$ref": "#/$defs/Stub"`, `"description": "A kernel as a program of UEFI."`, `"description": "Without a pause."`} {
		if !strings.Contains(string(schema), want) {
			t.Errorf("Schema() has no %s", want)
		}
	}
	for _, want := range []string{"| `stub` | mapping, or a short form | A kernel as a program of UEFI. |\n", "\n## bootloader.stub\n", "| `script` | path | What runs before the kernel. |\n"} {
		if !strings.Contains(reference.Text(t), want) {
			t.Errorf("the reference has no %s", want)
		}
	}
	const recipe = `name: stub
disk:
  partitions:
    - {name: esp, type: esp, filesystem: fat}
    - {name: root, filesystem: ext4, contents: {files: [{path: /k, text: kernel}]}}
bootloader:
  LOADER
  console: [ttyS0]
  entries: [{title: Kernel, kernel: /k, arguments: [quiet]}]
output: FORMAT
`
	text := func(loader, format string) string {
		return strings.NewReplacer("LOADER", loader, "FORMAT", format).Replace(recipe)
	}
	dir := t.TempDir()
	for loader, want := range map[string]string{
		"":                                "bootloader: has no grub or stub, so nothing would boot",
		"stub: {}":                        "bootloader: has no grub or stub, so nothing would boot",
		"stub: {quick: true}":             "bootloader.stub: names no platforms",
		"stub: [uefi]":                    `bootloader.stub[0]: "uefi" is not known`,
		"stub: {quik: true}":              `bootloader.stub.quik: unknown key; did you mean "quick"?`,
		"stub: [efi]\n  grub: [efi]":      "bootloader: has stub and grub: one boot loader starts a disk",
		"stub: [efi]\n  arguments: ['%']": "bootloader.arguments[0]: kernel argument %: the shell of UEFI takes",
		"stob: [efi]":                     `bootloader.stob: unknown key; did you mean "stub"?`,
		"stub: efi":                       `bootloader.stub: "efi" does not fit here`,
	} {
		if _, err := plan(t, dir, text(loader, "raw")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Plan() of %s = %v; want an error with %q", loader, err, want)
		}
	}
	if _, err := plan(t, dir, strings.Replace(text("stub: [efi]", "raw"), "type: esp, ", "type: linux, ", 1)); err == nil || !strings.Contains(err.Error(), "bootloader.stub[0]: no partition has type: esp") {
		t.Errorf("Plan() without an ESP = %v", err)
	}
	for _, format := range []string{"raw", "iso"} {
		p, err := plan(t, dir, text("stub: {platforms: [efi], script: before}", format))
		if err != nil {
			t.Fatal(err)
		}
		data, err := image.ReadAll(p.Disk.Map)
		if err != nil {
			t.Fatal(err)
		}
		line := dir + "/beforefalse \\EFI\\BOOT\\BOOTX64.EFI root=UUID="
		if !strings.Contains(string(data), line) || !strings.Contains(string(data), " quiet console=ttyS0,115200\n") {
			t.Errorf("%s: the image has no startup.nsh with %q", format, line)
		}
		p.Close()
	}
}
