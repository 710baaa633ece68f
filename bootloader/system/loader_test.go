package system

import (
	"reflect"
	"strings"
	"testing"
)

const item = "/nix/store/00000000000000000000000000000000-"

func loaderOf(t *testing.T, files map[string]string) Loader {
	t.Helper()
	all := nixFiles()
	for name, text := range files {
		all[name] = text
	}
	s, err := Read(tree(t, all).Lookup, "/nix/store/top")
	if err != nil {
		t.Fatal(err)
	}
	return s.Loader
}

const grubConfig = `<?xml version='1.0' encoding='utf-8'?>
<expr>
  <attrs>
    <attr name="bootPath"><string value="/boot" /></attr>
    <attr name="devices"><list><string value="/dev/vda" /><string value="nodev" /></list></attr>
    <attr name="efiInstallAsRemovable"><bool value="true" /></attr>
    <attr name="efiSysMountPoint"><string value="/boot/efi" /></attr>
    <attr name="extraConfig"><string value="serial &amp; more&#xA;" /></attr>
    <attr name="grub"><string value="/nix/store/g-grub" /></attr>
    <attr name="grubEfi"><string value="" /></attr>
    <attr name="timeout"><int value="7" /></attr>
    <attr name="users"><attrs /></attr>
  </attrs>
</expr>
`

// TestLoader reads the settings of a system's boot loader in what would install it.
func TestLoader(t *testing.T) {
	seven, forever := 7, -1
	wrapper := func(program string) map[string]string {
		return map[string]string{"/nix/store/top/bin/switch-to-configuration": "#! /bin/bash -e\nexport OUT='/nix/store/top'\nexport INSTALL_BOOTLOADER='" + item + program + "'\n" +
			"export LOCALE_ARCHIVE='" + item + "glibc-locales-2.40/lib/locale/locale-archive'\nexec -a \"$0\" x\n"}
	}
	grub := wrapper("install-grub.sh")
	grub[item+"install-grub.sh"] = "#!/bin/sh\nset -e\n" + item + "perl/bin/perl " + item + "install-grub.pl " + item + "grub-config.xml $@\n"
	grub[item+"grub-config.xml"] = grubConfig
	if got, want := loaderOf(t, grub), (Loader{Name: "grub", BIOS: true, Devices: []string{"/dev/vda"}, Boot: "/boot", Timeout: &seven}); !reflect.DeepEqual(got, want) {
		t.Errorf("GRUB for BIOS: %+v; want %+v", got, want)
	}
	grub[item+"grub-config.xml"] = strings.Replace(grubConfig, `grubEfi"><string value=""`, `grubEfi"><string value="/nix/store/g"`, 1)
	if got := loaderOf(t, grub); !got.EFI || got.ESP != "/boot/efi" || !got.Removable {
		t.Errorf("GRUB for both: %+v", got)
	}
	grub[item+"grub-config.xml"] = "<expr><attrs"
	if got, want := loaderOf(t, grub), (Loader{Name: "grub"}); !reflect.DeepEqual(got, want) {
		t.Errorf("GRUB of unknown settings: %+v; want %+v", got, want)
	}
	systemd := wrapper("install-systemd-boot.sh")
	systemd[item+"install-systemd-boot.sh"] = "#!/bin/sh\n" + item + "systemd-boot/bin/systemd-boot \"$@\"\n"
	systemd[item+"systemd-boot/bin/systemd-boot"] = "import os\nEFI_SYS_MOUNT_POINT = Path(\"/efi\")\nBOOT_MOUNT_POINT = Path(\"/boot\")\nTIMEOUT = \"menu-force\"\n"
	if got, want := loaderOf(t, systemd), (Loader{Name: "systemd-boot", EFI: true, Boot: "/boot", ESP: "/efi", Timeout: &forever}); !reflect.DeepEqual(got, want) {
		t.Errorf("systemd-boot: %+v; want %+v", got, want)
	}
	if got := loaderOf(t, wrapper("extlinux-conf-builder.sh")); got.Name != "extlinux" {
		t.Errorf("extlinux: %+v", got)
	}
	if got := loaderOf(t, wrapper("other")); !reflect.DeepEqual(got, Loader{}) {
		t.Errorf("another: %+v", got)
	}
}

func FuzzLoader(f *testing.F) {
	f.Add(grubConfig)
	f.Add("EFI_SYS_MOUNT_POINT = Path(\"/boot\")\nTIMEOUT = \"5\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		files := map[string]string{item + "grub-config.xml": text}
		if strings.HasPrefix(text, "-> ") {
			return
		}
		look := tree(t, files).Lookup
		var l Loader
		l.readGRUB(look, item+"grub-config.xml")
		l.readSystemdBoot(look, text)
		for _, d := range l.Devices {
			if d == "nodev" {
				t.Errorf("a device is %q", d)
			}
		}
	})
}
