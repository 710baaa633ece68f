# initrd-find-nixos-closure of systemd/initrd.nix.
set -u
PATH=/bin
closure=
for word in $(cat /proc/cmdline); do
	case $word in init=*) closure=${word#init=} ;; esac
done
if [ -z "$closure" ]; then
	echo 'No init= parameter on the kernel command line' >&2
	exit 1
fi
# A link is followed within the new root; chroot-realpath fails for what is not there.
init=$closure
closure=$(dirname "$(chroot /sysroot @shell@/bin/readlink -f "$closure")")
if ! [ -x "/sysroot$closure/prepare-root" ]; then
	echo "NEW_INIT=$init" > /etc/switch-root.conf
	echo "$closure does not look like a NixOS installation - not activating"
	exit 0
fi
ln -s "$closure" /nixos-closure
# NixOS leaves it empty, for its systemd has the right path compiled in.
echo "NEW_INIT=$closure/init" > /etc/switch-root.conf
