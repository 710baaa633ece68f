#!/bin/sh
# The initrd's init: loads modules, mounts the root that the kernel's command line
# names, or the first device that has the system on it, and goes there. As NixOS's own
# does, it takes the store out of nix-store.squashfs, on such a medium or beside itself.
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

# find_iso prints the device with the ISO 9660 volume whose UUID, a date, is $1: busybox's
# findfs does not know it.
find_iso() {
	for device in $(sed -n 's|.* \([a-z][a-z0-9]*\)$|/dev/\1|p' /proc/partitions); do
		date=$(dd if="$device" bs=1 skip=33598 count=16 2>/dev/null)
		[ "$date" = "$(echo "$1" | sed s/-//g)" ] && echo "$device" && return
	done
	return 1
}

# find_root prints the device that root names, or tries them all.
find_root() {
	case $root in
	UUID=* | LABEL=*) findfs "$root" 2>/dev/null && return; find_iso "${root#UUID=}" && return ;;
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

# live_root makes a root in memory whose store is what the file $1 holds, and what is
# written in memory over it. The medium is at /iso, if there is one.
live_root() {
	mkdir /iso
	mount --move /root /iso 2>/dev/null
	mount -t tmpfs root /root
	mkdir -p /root/nix/.ro-store /root/nix/.rw-store /root/nix/store /root/etc /root/iso
	mount -o loop,ro -t squashfs "$1" /root/nix/.ro-store
	mount -t tmpfs rw /root/nix/.rw-store
	mkdir /root/nix/.rw-store/store /root/nix/.rw-store/work
	over=lowerdir=/root/nix/.ro-store,upperdir=/root/nix/.rw-store/store,workdir=/root/nix/.rw-store/work
	mount -t overlay -o $over overlay /root/nix/store
	mount --move /iso /root/iso 2>/dev/null
	touch /root/nix/store/written && rm /root/nix/store/written && echo "ingot-test: the store lies in $1"
	enter
}

# enter makes /root the root.
enter() {
	for folder in dev proc sys; do
		mkdir -p /root/$folder 2>/dev/null
		mount --move /$folder /root/$folder
	done
	exec switch_root /root "$init"
}

[ -e /nix-store.squashfs ] && live_root /nix-store.squashfs

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
[ -e /root/nix-store.squashfs ] && live_root /iso/nix-store.squashfs
enter
