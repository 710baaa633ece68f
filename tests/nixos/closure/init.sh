#! @shell@/bin/sh
# Stands for the system's systemd: mounts what is left of fstab, says which system is up, and is
# a shell on the serial console.
PATH=@shell@/bin:/run/current-system/sw/bin
HOME=/root
export PATH HOME
cd /root
# NixOS's kmod and kernel find modules in /run/booted-system/kernel-modules.
mkdir -p /lib
ln -sfn /run/booted-system/kernel-modules/lib/modules /lib/modules
echo @shell@/bin/modprobe > /proc/sys/kernel/modprobe
while read -r device point type options rest; do
	case $device in '#'* | '') continue ;; esac
	[ "$type" = swap ] && swapon "$(findfs "$device" 2>/dev/null || readlink -f "$device")" && echo "ingot-test: swap on $device" && continue
	grep -q " $point " /proc/mounts && continue
	modprobe "$type" 2>/dev/null
	mkdir -p "$point"
	mount -t "$type" -o "${options:-defaults}" "$device" "$point" && echo "ingot-test: mounted $point" || echo "ingot-test: cannot mount $point"
done < /etc/fstab

echo "ingot-test: up: $(cat /run/current-system/nixos-version) $(readlink -f /run/current-system)"
echo "ingot-test: booted: $(readlink -f /run/booted-system)"
echo "ingot-test: profile: $(readlink -f /nix/var/nix/profiles/system)"
echo "ingot-test: words: $(cat /proc/cmdline)"
echo "ingot-test: ready"
while true; do setsid -c sh </dev/ttyS0 >/dev/ttyS0 2>&1; done
