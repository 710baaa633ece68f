#! @shell@/bin/sh
# Stage 2, doing what nixos/modules/system/boot/stage-2-init.sh does, in its order. With systemd
# in the initial RAM disk this is prepare-root: it is run in the new root, before it is entered.

systemConfig=@systemConfig@
HOME=/root PATH=@shell@/bin
export HOME PATH

printf '\n<<< NixOS Stage 2 >>>\n\n'

if [ -z "$IN_NIXOS_SYSTEMD_STAGE1" ]; then
	mount -n -o remount,rw none /
fi
[ -e /proc/1 ] || . @earlyMountScript@
echo "booting system configuration $systemConfig" > /dev/kmsg

# The store is bound read-only over itself.
chown -f 0:30000 /nix/store
chmod -f 1775 /nix/store
mount --bind /nix/store /nix/store
mount -o remount,ro,bind /nix/store

if [ -z "$IN_NIXOS_SYSTEMD_STAGE1" ]; then
	rm -f /etc/mtab
	mkdir -m 0755 -p /etc
	ln -s /proc/mounts /etc/mtab
fi

# Some of these, tmpfiles.d makes in newer versions.
mkdir -m 01777 -p /tmp
mkdir -m 0755 -p /var /var/log /var/lib /var/db /nix/var /etc/nixos /home /run/lock
mkdir -m 0700 -p /root
chmod 0700 /root
rm -rf /nix/var/nix/gcroots/tmp /nix/var/nix/temproots

if ! grep -q " /run/keys " /proc/mounts; then
	mkdir -p /run/keys
	mount -t ramfs ramfs /run/keys
	chown 0:96 /run/keys
	chmod 0750 /run/keys
fi

echo "running activation script..."
$systemConfig/activate

ln -sfn "$systemConfig" /run/booted-system
# boot.postBootCommands; the live systems' load the database: iso-image.nix, netboot.nix.
@shell@/bin/sh @postBootCommands@

[ -n "$IN_NIXOS_SYSTEMD_STAGE1" ] && exit 0
echo "starting systemd..."
exec $systemConfig/systemd/lib/systemd/systemd
