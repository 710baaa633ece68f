#!/bin/sh
# The initial RAM disk's init, which takes its arguments as that of a Guix System does:
# root is a device, a UUID or a label, with nothing before it that says which.
PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r module; do
	insmod "/modules/$module" || echo "ingot-test: $module does not load"
done < /modules/order

for word in $(cat /proc/cmdline); do
	case $word in
	root=*) root=${word#root=} ;;
	gnu.load=*) load=${word#gnu.load=} ;;
	esac
done
tries=0
until device=$(case $root in /*) echo $root ;; *) findfs "UUID=$root" || findfs "LABEL=$root" ;; esac 2>/dev/null); do
	tries=$((tries + 1))
	if [ $tries = 30 ]; then
		echo "ingot-test: no root $root; there is:"
		blkid
		poweroff -f
	fi
	sleep 1
done
mount -o rw "$device" /root
for folder in dev proc sys; do
	mkdir -p /root/$folder
	mount --move /$folder /root/$folder
done
exec switch_root /root "$load"
