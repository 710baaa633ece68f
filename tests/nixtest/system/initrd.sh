#!/bin/sh
# The initrd's init: loads modules, mounts the root that the kernel's command line
# names, or the first device that has the system on it, and goes there.
PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

while read -r module; do
	insmod "/modules/$module" || echo "ingot-test: $module does not load"
done < /modules/order

init=/init root=
for word in $(cat /proc/cmdline); do
	case $word in
	init=*) init=${word#init=} ;;
	root=*) root=${word#root=} ;;
	esac
done

# find_root prints the device that root names, or tries them all.
find_root() {
	case $root in
	UUID=* | LABEL=*) findfs "$root" 2>/dev/null && return ;;
	/dev/*) [ -b "$root" ] && echo "$root" && return ;;
	esac
	[ -z "$root" ] || return 1
	for device in $(sed -n 's|.* \([a-z][a-z0-9]*\)$|/dev/\1|p' /proc/partitions); do
		mount -o ro "$device" /root 2>/dev/null || continue
		[ -x "/root$init" ] && found=$device
		umount /root
		[ -n "$found" ] && echo "$found" && return
	done
	return 1
}

tries=0
until device=$(find_root); do
	tries=$((tries + 1))
	if [ $tries = 30 ]; then
		echo "ingot-test: no root ${root:-with $init}; there is:"
		cat /proc/partitions
		blkid
		poweroff -f
	fi
	sleep 1
done

mount -o rw "$device" /root 2>/dev/null || mount -o ro "$device" /root
for folder in dev proc sys; do
	mkdir -p /root/$folder 2>/dev/null
	mount --move /$folder /root/$folder
done
exec switch_root /root "$init"
