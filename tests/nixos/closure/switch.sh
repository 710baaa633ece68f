#! @shell@/bin/sh
# switch-to-configuration: boot installs the boot loader, test activates, switch does both.
# switch-to-configuration-ng/src/main.rs: INSTALL_BOOTLOADER gets the system, then activate runs.
case $1 in
boot | switch) @installBootLoader@ @systemConfig@ || exit 1 ;;
test) ;;
*)
	echo "Usage: $0 [switch|boot|test]" >&2
	exit 1
	;;
esac
[ "$1" = boot ] && exit 0
echo "activating the configuration..."
@systemConfig@/activate
