// Package nixos makes closures like those of NixOS, as nixpkgs has them today: toplevels with all
// their links, bootspec, specialisations and generations; initial RAM disks with the scripted
// stage 1 and with systemd; stage 2; activation, and a switch-to-configuration that installs
// GRUB. Its tests have ingot make disks, ISOs and netboot folders of them, boot these, and
// upgrade and roll back inside.
//
// The scripts in the folder closure are written for these tests. They do what the files of
// nixpkgs do that they name, in the same order and with the same messages. The programs are
// Debian's (bin/debian-13, by tests/setup/debian): udev, systemd, kmod, mount, e2fsck, Nix and
// grub-install run from store paths, by patchelf as in nixpkgs.
//
// Three things differ from NixOS. Debian's systemd has paths below /usr compiled in, so that the
// initial RAM disk has links there. The init that stage 2 starts is a shell script on the serial
// console in place of systemd. And udev has only the rules that disks need.
package nixos
