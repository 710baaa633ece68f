# initrd-nixos-activation of systemd/initrd.nix.
set -u
PATH=/bin
export PATH
export IN_NIXOS_SYSTEMD_STAGE1=true
exec chroot /sysroot "$(readlink /nixos-closure)/prepare-root"
