package nixlib

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ingot/image/fileformat"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
)

// evaluate has the text of an expression evaluated, in which the folders of ingot's expressions
// are ROOT, and returns its value as JSON.
func evaluate(t *testing.T, expression string, env ...string) (string, error) {
	t.Helper()
	root := testenv.Root(t)
	cmd := nixtest.Command(fstest.Judge(t, "nix-instantiate", "nix-bin"), "--eval", "--strict", "--json", "--store", "dummy://",
		"-E", strings.ReplaceAll(expression, "ROOT", root))
	var stdout, stderr bytes.Buffer
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return strings.TrimSpace(stdout.String()), nil
}

// equal compares values as JSON.
func equal(t *testing.T, what, got, want string) {
	t.Helper()
	plain := func(text string) string {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%s: %v in %s", what, err, text)
		}
		b, _ := json.Marshal(v)
		return string(b)
	}
	if got, want := plain(got), plain(want); got != want {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}

// TestRecipeOfConfiguration derives the disk of what NixOS's options say.
func TestRecipeOfConfiguration(t *testing.T) {
	const bios = `{"name": "bios", "type": "bios-boot", "size": "1MiB"}`
	const root = `{"name": "root", "filesystem": "ext4", "label": "nixos", "mount": "/", "size": "fit+512MiB", "contents": {"store": true}}`
	for _, x := range []struct{ name, config, partitions, rest string }{
		{"labels, BIOS", `fileSystems."/" = { device = "/dev/disk/by-label/nixos"; fsType = "ext4"; autoResize = true; }; boot.loader.grub = { enable = true; device = "/dev/vda"; };`,
			"[" + bios + "," + strings.TrimSuffix(root, "}") + `, "flags": ["grow"]}]`, `{"grub": {"platforms": ["bios"]}, "timeout": 5}`},
		{"systemd-boot, UUIDs", `fileSystems."/" = { device = "/dev/disk/by-uuid/5a1e7b0c-0000-4000-8000-000000000001"; fsType = "ext4"; };
			fileSystems."/boot" = { device = "/dev/disk/by-uuid/12CE-A600"; fsType = "vfat"; }; boot.loader.systemd-boot.enable = true; boot.loader.timeout = null;`,
			`[{"name": "esp", "type": "esp", "filesystem": "fat", "mount": "/boot", "size": "fit+256MiB", "uuid": "12CE-A600"},
			  {"name": "root", "filesystem": "ext4", "uuid": "5a1e7b0c-0000-4000-8000-000000000001", "mount": "/", "size": "fit+512MiB", "contents": {"store": true}}]`,
			`{"grub": {"platforms": ["efi"]}, "timeout": -1}`},
		{"both firmwares, ESP elsewhere, swap, home", `fileSystems."/" = { device = "LABEL=nixos"; fsType = "ext4"; };
			fileSystems."/home" = { device = "/dev/disk/by-partlabel/my\\x20home"; fsType = "ext4"; };
			fileSystems."/boot/efi" = { device = "PARTUUID=0b1c7b0c-0000-4000-8000-000000000002"; fsType = "vfat"; };
			boot.loader.efi.efiSysMountPoint = "/boot/efi"; boot.loader.grub = { enable = true; efiSupport = true; devices = [ "/dev/sda" ]; };
			swapDevices = [ { device = "/dev/disk/by-label/swap"; } { device = "/swapfile"; size = 1024; } { device = "/dev/disk/by-partlabel/cryptswap"; randomEncryption.enable = true; } ];`,
			"[" + bios + `, {"name": "esp", "type": "esp", "filesystem": "fat", "mount": "/boot/efi", "guid": "0b1c7b0c-0000-4000-8000-000000000002"},
			  {"name": "my home", "filesystem": "ext4", "mount": "/home", "size": "1GiB"},
			  {"name": "swap", "size": "1GiB", "type": "swap", "filesystem": "swap", "label": "swap"}, {"name": "cryptswap", "size": "1GiB", "type": "swap"},` + root + "]",
			`{"grub": {"platforms": ["bios", "efi"]}, "timeout": 5}`},
		{"root in memory", `fileSystems."/" = { device = "none"; fsType = "tmpfs"; }; fileSystems."/nix" = { device = "/dev/disk/by-label/nix"; fsType = "ext4"; neededForBoot = true; };
			fileSystems."/var/log" = { device = "/nix/log"; fsType = "none"; options = [ "bind" ]; }; fileSystems."/data" = { device = "server:/data"; fsType = "nfs"; };
			boot.loader.grub = { enable = true; efiSupport = true; device = "nodev"; };`,
			`[{"name": "esp", "type": "esp", "filesystem": "fat", "label": "ESP"}, {"name": "nix", "filesystem": "ext4", "label": "nix", "mount": "/nix", "size": "fit+512MiB", "contents": {"store": true}}]`,
			`{"grub": {"platforms": ["efi"]}, "timeout": 5}`},
		{"names that are others' or too long", `fileSystems."/" = { device = "LABEL=nixos"; fsType = "ext4"; }; fileSystems."/root" = { device = "LABEL=r"; fsType = "ext4"; };
			fileSystems."/a/b" = { device = "LABEL=b"; fsType = "ext4"; }; fileSystems."/a-b" = { device = "LABEL=c"; fsType = "ext4"; };
			fileSystems."/var/lib/a/place/that/no/table/can/name" = { device = "LABEL=d"; fsType = "ext4"; };`,
			`[{"name": "a-b", "filesystem": "ext4", "label": "c", "mount": "/a-b", "size": "1GiB"}, {"name": "data-2", "filesystem": "ext4", "label": "b", "mount": "/a/b", "size": "1GiB"},
			  {"name": "data-3", "filesystem": "ext4", "label": "r", "mount": "/root", "size": "1GiB"},
			  {"name": "data-4", "filesystem": "ext4", "label": "d", "mount": "/var/lib/a/place/that/no/table/can/name", "size": "1GiB"},` + root + "]", "null"},
		{"what need not be there", `fileSystems."/" = { device = "LABEL=nixos"; fsType = "ext4"; options = [ "nofail" ]; }; fileSystems."/mnt/usb" = { device = "LABEL=stick"; fsType = "ntfs"; options = [ "nofail" ]; };
			fileSystems."/mnt/old" = { device = "LABEL=old"; fsType = "ext4"; options = [ "noauto" ]; };
			fileSystems."/persist" = { device = "LABEL=p"; fsType = "ext4"; options = [ "nofail" ]; neededForBoot = true; };`,
			`[{"name": "persist", "filesystem": "ext4", "label": "p", "mount": "/persist", "size": "1GiB"},` + root + "]", "null"},
		{"escapes of udev, and a mount that is off", `fileSystems."/" = { device = "LABEL=nixos"; fsType = "ext4"; }; fileSystems."/off" = { device = "LABEL=off"; fsType = "ext4"; enable = false; };
			fileSystems."/it's" = { device = "/dev/disk/by-label/\\x24\\x7bx\\x7d\\x20it\\x27s\\x5cx24\\x22"; fsType = "ext4"; };`,
			`[{"name": "it's", "filesystem": "ext4", "label": "${x} it's\\x24\"", "mount": "/it's", "size": "1GiB"},` + root + "]", "null"},
		{"subvolumes", `fileSystems."/" = { device = "LABEL=nixos"; fsType = "ext4"; }; fileSystems."/nix" = { device = "LABEL=pool"; fsType = "btrfs"; options = [ "subvol=/@nix" "compress=zstd" ]; };
			fileSystems."/a" = { device = "LABEL=pool"; fsType = "btrfs"; options = [ "subvol=a" ]; }; fileSystems."/btr" = { device = "LABEL=pool"; fsType = "btrfs"; options = [ "subvol=/" ]; };`,
			`[{"name": "a", "filesystem": "btrfs", "label": "pool", "size": "fit+512MiB", "contents": {"store": true}, "subvolumes": [{"name": "a", "mount": "/a"}, {"name": "@nix", "mount": "/nix"}]},
			  {"name": "root", "filesystem": "ext4", "label": "nixos", "mount": "/", "size": "1GiB"}]`, "null"},
		{"no boot loader", `fileSystems."/" = { label = "nixos"; device = "/dev/disk/by-label/nixos"; fsType = "ext4"; }; boot.loader.grub.enable = false;`, "[" + root + "]", "null"},
	} {
		got, err := evaluate(t, `let r = (import ROOT/nix/lib.nix).fromConfig { config = { networking.hostName = "web"; system.build.toplevel = "/nix/store/x"; `+x.config+` }; };
			in { inherit (r) name arch system; inherit (r.disk) partitions; bootloader = r.bootloader or null; }`)
		if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		equal(t, x.name, got, `{"name": "web", "arch": "x86_64", "system": "/nix/store/x", "partitions": `+x.partitions+`, "bootloader": `+x.rest+`}`)
	}
}

// TestMerge puts keys over a recipe by the rules of --set.
func TestMerge(t *testing.T) {
	const recipe = `{ name = "web"; disk.partitions = [ { name = "esp"; filesystem = "fat"; } { name = "root"; size = "fit"; } ]; tests = [ ]; }`
	for over, want := range map[string]string{
		`{ disk.partitions.root.size = "8GiB"; }`:            `{"name": "web", "disk": {"partitions": [{"name": "esp", "filesystem": "fat"}, {"name": "root", "size": "8GiB"}]}, "tests": []}`,
		`{ disk.partitions."0".label = "ESP"; }`:             `{"name": "web", "disk": {"partitions": [{"name": "esp", "filesystem": "fat", "label": "ESP"}, {"name": "root", "size": "fit"}]}, "tests": []}`,
		`{ name = "db"; disk = { partitions = [ ]; }; }`:     `{"name": "db", "disk": {"partitions": []}, "tests": []}`,
		`{ disk.size = "9GiB"; tests = [ { a = 1; } ]; }`:    `{"name": "web", "disk": {"size": "9GiB", "partitions": [{"name": "esp", "filesystem": "fat"}, {"name": "root", "size": "fit"}]}, "tests": [{"a": 1}]}`,
		`{ disk.partitions = { esp.size = 1; root = 2; }; }`: `{"name": "web", "disk": {"partitions": [{"name": "esp", "filesystem": "fat", "size": 1}, 2]}, "tests": []}`,
	} {
		got, err := evaluate(t, "(import ROOT/nix/lib.nix).merge "+recipe+" "+over)
		if err != nil {
			t.Errorf("%s: %v", over, err)
			continue
		}
		equal(t, over, got, want)
	}
	got, err := evaluate(t, `(import ROOT/nix/lib.nix).settings { name = "web"; disk.partitions.root.size = "8GiB"; output = { format = "iso"; level = 19; }; tests = [ { name = "a b"; } ]; bootloader = { }; }`)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "settings", got, `["bootloader={}", "disk.partitions.root.size=\"8GiB\"", "name=\"web\"", "output.format=\"iso\"", "output.level=19", "tests=[{\"name\":\"a b\"}]"]`)
}

// pkgs evaluates arguments of mkImage, where a package is nothing but its path.
const mkImage = `let
  pkgs = (import ROOT/tests/nixlib/testdata/nixpkgs/packages.nix).x86_64-linux // { ingot = "/ingot"; grub2 = "/grub2"; grub2_efi = "/grub2_efi"; squashfsTools = "/squashfs"; };
  system = { outPath = "/nix/store/00000000000000000000000000000000-web"; system = "x86_64-linux"; };
  config = { system.build.toplevel = system; boot.loader.grub.enable = true; fileSystems."/" = { device = "/dev/disk/by-label/nixos"; fsType = "ext4"; }; };
in (import ROOT/nix { inherit pkgs; }).mkImage `

// TestImageArguments looks at the derivations: what they ask of a builder, and how ingot is called.
func TestImageArguments(t *testing.T) {
	for _, x := range []struct{ arguments, want string }{
		{`{ inherit system; name = "web"; format = "qcow2"; recipe.disk.partitions.root.size = "8GiB"; }`,
			`{"args": ["build", "/nix/store/00000000000000000000000000000000-web", "--set", "disk.partitions.root.size=\"8GiB\"", "--set", "name=\"web\"", "--set", "output.format=\"qcow2\"", "--no-vm", "-o", "OUT/web.qcow2"],
			"filePath": "web.qcow2", "programs": ["/grub2/bin", "/grub2_efi/bin"]}`},
		{`{ inherit system; recipe = { name = "live"; output = "iso"; }; }`,
			`{"args": ["build", "/nix/store/00000000000000000000000000000000-web", "--set", "name=\"live\"", "--set", "output.format=\"iso\"", "--no-vm", "-o", "OUT/live.iso"],
			"filePath": "live.iso", "programs": ["/grub2/bin", "/grub2_efi/bin", "/squashfs/bin"]}`},
		{`{ inherit system; recipe = { arch = "aarch64"; output = { format = "netboot"; level = 3; }; }; fileName = "tftp"; programs = [ "/more" ]; }`,
			`{"args": ["build", "/nix/store/00000000000000000000000000000000-web", "--set", "arch=\"aarch64\"", "--set", "name=\"nixos\"", "--set", "output.format=\"netboot\"", "--set", "output.level=3", "--no-vm", "-o", "OUT/tftp"],
			"filePath": "tftp", "programs": ["/more/bin", "/grub2_efi/bin", "/squashfs/bin"]}`},
	} {
		got, err := evaluate(t, `with builtins; let image = (`+mkImage+x.arguments+`); in {
			args = map (replaceStrings [ (placeholder "out") ] [ "OUT" ]) image.args;
			inherit (image) filePath programs;
			rest = [ image.__structuredAttrs image.unsafeDiscardReferences.out image.exportReferencesGraph.closure image.builder (image ? requiredSystemFeatures) (image.passthru.filePath == image.filePath) ];
		}`)
		if err != nil {
			t.Errorf("%s: %v", x.arguments, err)
			continue
		}
		want := strings.TrimSuffix(x.want, "}") + `, "rest": [true, true, ["/nix/store/00000000000000000000000000000000-web"], "/ingot/bin/ingot", false, true]}`
		equal(t, x.arguments, got, want)
	}
}

// TestRefusals names what is wrong in one sentence, before anything is built.
func TestRefusals(t *testing.T) {
	for expression, want := range map[string]string{
		mkImage + `{ }`:                                                                                              "mkImage: give system, a NixOS or Guix system, or config, the configuration of a NixOS system",
		mkImage + `{ inherit system config; }`:                                                                       "mkImage: system and config: give one of them",
		mkImage + `{ inherit system; format = "vmdk"; }`:                                                             `mkImage: format "vmdk": must be one of iso, kexec, netboot, qcow2, raw, vdi, vhd`,
		mkImage + `{ inherit system; recipe.output = "wim"; }`:                                                       `mkImage: format "wim": must be one of`,
		mkImage + `{ inherit system; recipe = "web.yaml"; }`:                                                         `mkImage: recipe: must be an attribute set of recipe keys, such as { disk.size = "8GiB"; }, and is a string`,
		mkImage + `{ inherit config; recipe.disk.partitions.rot.size = 1; }`:                                         `recipe: no element has the number or the name "rot"; there are "bios", "root"`,
		mkImage + `{ inherit system; recipe.disk.partitions.root.contents.files."/etc/x.conf".mode = 1; }`:           `recipe: key "/etc/x.conf": no dots`,
		mkImage + `{ config = config // { fileSystems."/" = { device = "/dev/mapper/root"; fsType = "ext4"; }; }; }`: `fileSystems."/".device is /dev/mapper/root: Nix cannot keep the passphrase of a LUKS container`,
		mkImage + `{ config = config // { fileSystems."/" = { device = "none"; fsType = "tmpfs"; }; }; }`:            `fileSystems: no file system on a disk holds /nix/store`,
		mkImage + `{ inherit config; hostPlatform = "mips-linux"; }`:                                                 `platform "mips-linux": ingot makes images for aarch64-linux,`,
		`(import ROOT/tests/nixlib/testdata/nixpkgs/packages.nix).old.callPackage ROOT/nix/package.nix { }`:          " or later, and this nixpkgs has 1.21.0: take a newer nixpkgs",
	} {
		_, err := evaluate(t, expression)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want an error with %q", expression, err, want)
		}
	}
}

// TestOtherStore refuses a Nix that keeps its store elsewhere.
func TestOtherStore(t *testing.T) {
	_, err := evaluate(t, mkImage+"{ inherit system; }", "NIX_STORE_DIR=/opt/store")
	if err == nil || !strings.Contains(err.Error(), "mkImage: this Nix keeps its store in /opt/store: ingot makes images of /nix/store alone") {
		t.Errorf("%v; want an error with the store", err)
	}
}

// TestFormats compares the formats that the expressions know with those that ingot writes.
func TestFormats(t *testing.T) {
	got, err := evaluate(t, "(import ROOT/nix/lib.nix).formats")
	if err != nil {
		t.Fatal(err)
	}
	var formats map[string]string
	must(t, json.Unmarshal([]byte(got), &formats))
	// Systems start from a disk or a folder, not from a bare file system.
	built := fileformat.That(func(f fileformat.Format) bool { return f.Built() && (f.Disk || f.Folder) })
	if len(built) != len(formats) {
		t.Errorf("nix/lib.nix knows %d formats; want %d", len(formats), len(built))
	}
	for _, f := range built {
		suffix, ok := formats[f.Name]
		if !ok || suffix != "" && !slices.Contains(f.Suffixes, suffix) {
			t.Errorf("nix/lib.nix: the suffix of %s is %q, %v; want one of %q", f.Name, suffix, ok, f.Suffixes)
		}
	}
}

// flake evaluates something of the flake's outputs, with the nixpkgs in testdata.
const flake = `let
  nixpkgs = (import ROOT/tests/nixlib/testdata/nixpkgs/flake.nix).outputs { self = null; };
  self = (import ROOT/flake.nix).outputs { inherit self nixpkgs; };
in `

// TestFlakeOutputs evaluates all outputs.
func TestFlakeOutputs(t *testing.T) {
	got, err := evaluate(t, flake+`{
		packages = builtins.mapAttrs (_: p: [ p.ingot.pname p.ingot.system (p.default.outPath == p.ingot.outPath) ]) self.packages;
		overlay = (self.overlays.default nixpkgs.legacyPackages.x86_64-linux { }).ingot.pname;
		lib = map (name: builtins.isFunction self.lib.${name}) [ "mkImage" "streamImage" "testImage" "withPkgs" "fromConfig" "merge" "matrix" "hydraProduct" ];
		modules = builtins.attrNames self.nixosModules;
		package = (builtins.head (self.nixosModules.default { inherit (nixpkgs) lib; pkgs = nixpkgs.legacyPackages.x86_64-linux; }).imports == ROOT/nix/module.nix);
		checks = builtins.mapAttrs (_: builtins.attrNames) self.checks;
	}`)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "flake", got, `{
		"packages": {"x86_64-linux": ["ingot", "x86_64-linux", true], "aarch64-linux": ["ingot", "aarch64-linux", true]},
		"overlay": "ingot", "lib": [true, true, true, true, true, true, true, true], "modules": ["default", "ingot"], "package": true,
		"checks": {"x86_64-linux": ["boots", "image", "ingot"], "aarch64-linux": ["boots", "image", "ingot"]}
	}`)
	if _, err := evaluate(t, flake+`self.lib.mkImage { system = "/nix/store/x"; }`); err == nil || !strings.Contains(err.Error(), "system is a path, which does not say where to build: give platform") {
		t.Errorf("a system without a platform: %v", err)
	}
	got, err = evaluate(t, `let d = import ROOT { pkgs = (import ROOT/tests/nixlib/testdata/nixpkgs/packages.nix).x86_64-linux; }; in [ d.ingot.pname (builtins.attrNames d.nixosModules) (builtins.isFunction d.mkImage) ]`)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "default.nix", got, `["ingot", ["default", "ingot"], true]`)
}

// TestModule evaluates each variant of the module for a configuration, in one round and without
// the priorities of nixpkgs' modules.
func TestModule(t *testing.T) {
	got, err := evaluate(t, `let
		lib = import ROOT/tests/nixlib/testdata/nixpkgs/lib.nix;
		pkgs = (import ROOT/tests/nixlib/testdata/nixpkgs/packages.nix).x86_64-linux // { ingot = "/ingot"; grub2 = "/grub2"; grub2_efi = "/grub2_efi"; squashfsTools = "/squashfs"; };
		toplevel = { outPath = "/nix/store/00000000000000000000000000000000-web"; system = "x86_64-linux"; };
		variant = listed: name: m:
			let
				module = if listed then builtins.head m else m;
				config = {
					system = { name = "web"; build.toplevel = toplevel; };
					image = { baseName = "web-26.05"; fileName = "web-26.05." + said.image.extension; ingot = { package = null; recipe.disk.partitions.root.size = "8GiB"; rootSize = "fit"; bootSize = "99MiB"; swapSize = "1GiB"; defaults = true; }; };
					boot.loader = { grub = { enable = true; efiSupport = true; device = "nodev"; }; systemd-boot.enable = false; efi.efiSysMountPoint = "/efi"; };
					fileSystems = said.fileSystems or { "/" = { fsType = "tmpfs"; }; };
				};
				said = (module { inherit config lib pkgs; modulesPath = "/modules"; }).config;
			in [ (said.system.build.image.filePath) (map (p: p.name) said.system.build.image.passthru.recipe.disk.partitions) (module { inherit config lib pkgs; modulesPath = "/modules"; }).imports ];
		modules = type: (import ROOT/nix/module.nix { config = { }; inherit lib; options.image.modules.type = type; }).config.image.modules;
	in {
		plain = builtins.mapAttrs (variant false) (modules { nestedTypes.elemType.name = "deferredModule"; });
		listed = builtins.mapAttrs (variant true) (modules { nestedTypes.elemType.name = "listOf"; });
	}`)
	if err != nil {
		t.Fatal(err)
	}
	disk := func(file string) string {
		return `["` + file + `", ["esp", "root"], ["/modules/image/file-options.nix"]]`
	}
	want := `{"ingot-raw": ` + disk("web-26.05.raw") + `, "ingot-qcow2": ` + disk("web-26.05.qcow2") + `, "ingot-vdi": ` + disk("web-26.05.vdi") + `, "ingot-vhd": ` + disk("web-26.05.vhd") + `,
		"ingot-iso": ["web-26.05.iso", ["root"], ["/modules/installer/cd-dvd/iso-image.nix", "/modules/image/file-options.nix"]],
		"ingot-netboot": ["web-26.05.", ["root"], ["/modules/installer/netboot/netboot.nix", "/modules/image/file-options.nix"]],
		"ingot-kexec": ["web-26.05.", ["root"], ["/modules/installer/netboot/netboot.nix", "/modules/image/file-options.nix"]]}`
	equal(t, "variants", got, `{"plain": `+want+`, "listed": `+want+`}`)
}

// TestPackageBuildsAsMakefile compares the flags of the package with those of make build.
func TestPackageBuildsAsMakefile(t *testing.T) {
	root := testenv.Root(t)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	must(t, err)
	got, err := evaluate(t, flake+`with self.packages.x86_64-linux.ingot; [ tags (builtins.concatStringsSep " " ldflags) subPackages version ]`)
	if err != nil {
		t.Fatal(err)
	}
	tags := regexp.MustCompile(`(?m)^TAGS = (.*)$`).FindSubmatch(makefile)
	flags := regexp.MustCompile(`-ldflags '(.*)'`).FindSubmatch(makefile)
	if tags == nil || flags == nil {
		t.Fatal("the Makefile has no TAGS or no -ldflags")
	}
	list, _ := json.Marshal(strings.Fields(string(tags[1])))
	// buildGoModule adds -buildid= itself.
	linker, _ := json.Marshal(strings.ReplaceAll(string(flags[1]), "-buildid= ", ""))
	version, err := os.ReadFile(filepath.Join(root, "recipes/doc.go"))
	must(t, err)
	v := regexp.MustCompile(`const Version = (".*")`).FindSubmatch(version)
	equal(t, "package", got, fmt.Sprintf(`[%s, %s, ["cmd/ingot"], %s]`, list, linker, v[1]))
}

// TestPackageSource compares the folders that the package's source has with those that hold Go
// files: a folder that is missing there would change what go mod vendor finds.
func TestPackageSource(t *testing.T) {
	root := testenv.Root(t)
	folders := map[string]bool{}
	matches, err := filepath.Glob(filepath.Join(root, "*"))
	must(t, err)
	for _, dir := range matches {
		name := filepath.Base(dir)
		if st, err := os.Stat(dir); err != nil || !st.IsDir() || name == "bin" {
			continue
		}
		for _, file := range files(t, dir) {
			if strings.HasSuffix(file, ".go") {
				folders[name] = true
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "nix/package.nix"))
	must(t, err)
	block := regexp.MustCompile(`(?s)folders = \[(.*?)\];`).FindSubmatch(text)
	var got []string
	for _, word := range strings.Fields(string(block[1])) {
		got = append(got, strings.Trim(word, `"`))
	}
	if want := slices.Sorted(maps.Keys(folders)); !slices.Equal(got, want) {
		t.Errorf("nix/package.nix takes %q; want %q", got, want)
	}
}
