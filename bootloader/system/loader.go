package system

import (
	"encoding/xml"
	"path"
	"slices"
	"strconv"
	"strings"

	"ingot/bootloader"
	"ingot/internal/lazy"
)

// A Loader is a boot loader and its settings, as far as a system's closure shows them: NixOS's
// bin/switch-to-configuration names the program that installs it, and that its settings
// (nixos/modules/system/boot/loader). They are no part of what boots: one that ingot does not
// understand stays unknown.
type Loader struct {
	// Name is "grub", "systemd-boot", "extlinux" and the like for NixOS, and as bootloader-name
	// has it for Guix: "grub-efi". It is empty if the closure does not say.
	Name string
	// BIOS and EFI are the firmwares that it is installed for.
	BIOS, EFI bool
	// Devices are those that GRUB for BIOS is installed on.
	Devices []string
	// Boot is where the menu and the kernels are: "/boot".
	Boot string
	// ESP is where the ESP is mounted; empty if it is not used.
	ESP string
	// Removable means that UEFI finds it without a variable of its own, at EFI/BOOT.
	Removable bool
	// Timeout is the menu's, in seconds; below 0 it waits for ever. nil is unknown.
	Timeout *int
}

var (
	storeWord   = lazy.Regexp(`/nix/store/[0-9a-z]{32}-[0-9A-Za-z+._?=/-]+`)
	builderLine = lazy.Regexp(`(?m)^([A-Z_]+) = (?:Path\()?"([^"\n]*)"\)?$`)
)

// installers are the beginnings of names of the programs that install boot loaders.
var installers = []struct{ name, program string }{
	{"grub", "install-grub.sh"},
	{"systemd-boot", "install-systemd-boot.sh"},
	{"systemd-boot", "systemd-boot"},
	{"extlinux", "extlinux-conf-builder"},
	{"limine", "limine-install"},
	{"refind", "refind-install"},
	{"init-script", "init-script-builder"},
}

// readLoader reads the settings of a NixOS system's boot loader.
func (s *System) readLoader(look bootloader.Lookup) error {
	text, err := look.Text(s.in("bin/switch-to-configuration"))
	if err != nil {
		return nil // a system may do without
	}
	for _, program := range storeWord().FindAllString(text, -1) {
		_, base, _ := strings.Cut(path.Base(program), "-")
		i := slices.IndexFunc(installers, func(in struct{ name, program string }) bool { return strings.HasPrefix(base, in.program) })
		if i < 0 {
			continue
		}
		s.Loader.Name = installers[i].name
		script, err := look.Text(program)
		switch {
		case err != nil:
		case s.Loader.Name == "grub":
			s.Loader.readGRUB(look, script)
		case s.Loader.Name == "systemd-boot":
			s.Loader.readSystemdBoot(look, script)
		}
		return nil
	}
	return nil
}

// readGRUB reads the settings of GRUB, which install-grub.sh gives to install-grub.pl in a file
// for each place of the boot files. The first one counts, and the devices of all.
func (l *Loader) readGRUB(look bootloader.Lookup, script string) {
	for _, name := range storeWord().FindAllString(script, -1) {
		if !strings.HasSuffix(name, "-grub-config.xml") {
			continue
		}
		text, err := look.Text(name)
		if err != nil {
			continue
		}
		values, err := parseNixXML(text)
		if err != nil {
			continue
		}
		first := func(key string) string {
			if len(values[key]) == 0 {
				return ""
			}
			return values[key][0]
		}
		for _, d := range values["devices"] {
			if d != "nodev" && !slices.Contains(l.Devices, d) {
				l.Devices = append(l.Devices, d)
			}
		}
		if l.Boot != "" {
			continue
		}
		l.Boot, l.BIOS, l.EFI = first("bootPath"), first("grub") != "", first("grubEfi") != ""
		if l.EFI {
			l.ESP, l.Removable = first("efiSysMountPoint"), first("efiInstallAsRemovable") == "true"
		}
		if n, err := strconv.Atoi(first("timeout")); err == nil {
			l.Timeout = &n
		}
	}
}

// parseNixXML reads what builtins.toXML makes of a set of simple values, and returns the values of
// each attribute: one, or those of a list.
func parseNixXML(text string) (map[string][]string, error) {
	type value struct {
		XMLName xml.Name
		Value   string  `xml:"value,attr"`
		Items   []value `xml:",any"`
	}
	var doc struct {
		Attrs []struct {
			Name  string  `xml:"name,attr"`
			Items []value `xml:",any"`
		} `xml:"attrs>attr"`
	}
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		return nil, err
	}
	values := map[string][]string{}
	for _, a := range doc.Attrs {
		for _, v := range a.Items {
			if v.XMLName.Local == "list" {
				for _, e := range v.Items {
					values[a.Name] = append(values[a.Name], e.Value)
				}
			} else {
				values[a.Name] = append(values[a.Name], v.Value)
			}
		}
	}
	return values, nil
}

// readSystemdBoot reads the settings of systemd-boot: they stand in the program that
// install-systemd-boot.sh starts (systemd-boot-builder.py).
func (l *Loader) readSystemdBoot(look bootloader.Lookup, script string) {
	l.EFI = true
	for _, name := range append([]string{""}, storeWord().FindAllString(script, -1)...) {
		text := script // of older ones, it is the script itself
		if name != "" {
			var err error
			if text, err = look.Text(name); err != nil || path.Base(name) != "systemd-boot" {
				continue
			}
		}
		for _, m := range builderLine().FindAllStringSubmatch(text, -1) {
			switch m[1] {
			case "EFI_SYS_MOUNT_POINT":
				l.ESP = m[2]
			case "BOOT_MOUNT_POINT":
				l.Boot = m[2]
			case "TIMEOUT":
				n, err := strconv.Atoi(m[2])
				if m[2] == "menu-force" {
					n, err = -1, nil
				}
				if err == nil {
					l.Timeout = &n
				}
			}
		}
	}
	if l.Boot == "" {
		l.Boot = l.ESP
	}
}
