#! @extraUtils@/bin/ash
# The scripted stage 1, doing what nixos/modules/system/boot/stage-1-init.sh does, in its order
# and with its messages. Left out: LVM, LUKS, lustrate, resume, the log in /dev/kmsg.

root=/mnt-root # targetRoot
PATH=@extraUtils@/bin
export PATH
ln -s @extraUtils@/bin /bin

# fail: exit makes the kernel panic; else a person is asked.
fail() {
	[ -n "$panicOnFail" ] && exit 1
	printf '\nAn error occurred in stage 1 of the boot process, which must mount the\n'
	printf 'root filesystem on `%s'\'' and then start stage 2.  Press one\nof the following keys:\n\n' "$root"
	[ -n "$allowShell" ] && printf '  i) to launch an interactive shell\n'
	printf '  r) to reboot immediately\n  *) to ignore the error and continue\n'
	read -r reply
	case $reply in
	i) [ -n "$allowShell" ] && setsid cttyhack ash ;;
	r) reboot -f ;;
	*) echo Continuing... ;;
	esac
}
trap fail 0

printf '\n<<< NixOS Stage 1 >>>\n\n'

# earlyMountScript, from tasks/filesystems.nix: boot.specialFileSystems.
mkdir -p /etc/udev /proc /sys /dev /run /lib /tmp
touch /etc/fstab /etc/initrd-release
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs -o size=5% devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=0666 devpts /dev/pts
mount -t tmpfs -o size=25% tmpfs /run
ln -s /proc/mounts /etc/mtab

# Secrets that append-initrd-secrets has added go where they belong.
if [ -d /.initrd-secrets ]; then
	(cd /.initrd-secrets && find . -type f) | while read -r secret; do
		mkdir -p "$(dirname "/$secret")"
		cp "/.initrd-secrets/$secret" "/$secret"
	done
fi

# The kernel's words.
stage2=/init
for word in $(cat /proc/cmdline); do
	case $word in
	init=*) stage2=${word#init=} ;;
	boot.shell_on_fail) allowShell=1 ;;
	boot.panic_on_fail | stage1panic=1) panicOnFail=1 ;;
	root=LABEL=*) ln -s "/dev/disk/by-label/${word#root=LABEL=}" /dev/root ;;
	root=UUID=*) ln -s "/dev/disk/by-uuid/${word#root=UUID=}" /dev/root ;;
	root=*) ln -s "${word#root=}" /dev/root ;;
	copytoram) copytoram=1 ;;
	findiso=*) isoPath=${word#findiso=} ;;
	esac
done

# boot.initrd.kernelModules; the available ones come by udev and by mount.
ln -s @modulesClosure@/lib/modules /lib/modules
echo @extraUtils@/bin/modprobe > /proc/sys/kernel/modprobe
for module in @kernelModules@; do
	echo "loading module $module..."
	modprobe $module
done

echo "running udev..."
ln -sfn @udevRules@ /etc/udev/rules.d
systemd-udevd --daemon
udevadm trigger --action=add
udevadm settle

# waitDevice: twenty tries of a second, as disks on USB take their time.
waitDevice() {
	[ -e "$1" ] && return
	printf 'waiting for device %s to appear...' "$1"
	try=20
	while [ $try -gt 0 ]; do
		sleep 1
		udevadm trigger --action=add
		[ -e "$1" ] && break
		printf .
		try=$((try - 1))
	done
	echo
	[ $try -ne 0 ]
}

# checkFS: by fsck, other than what is read-only or checks itself.
checkFS() {
	[ -b "$1" ] || return 0
	case $2 in
	iso9660 | udf | btrfs | zfs | bcachefs | squashfs) return 0 ;;
	auto)
		echo 'cannot check filesystem with type "auto"!'
		return 0
		;;
	esac
	echo "checking $1..."
	fsck -V -a "$1"
	status=$?
	if [ $((status | 2)) = $status ]; then
		echo "fsck finished, rebooting..."
		sleep 3
		reboot -f
	fi
	if [ $((status | 4)) = $status ]; then
		echo "$1 has unrepaired errors, please fix them manually."
		fail
	fi
	if [ $status -ge 8 ]; then
		echo "fsck on $1 failed."
		fail
	fi
}

# mountFS DEVICE POINT OPTIONS TYPE
mountFS() {
	type=$4
	if [ "$type" = auto ]; then
		type=$(blkid -o value -s TYPE "$1")
		type=${type:-auto}
	fi
	# Without x- options, and an overlay's folders below the new root.
	options=$(echo "$3" | tr , '\n' | grep -v ^x- | sed -E "s#^(lowerdir|upperdir|workdir)=#&$root#" | tr '\n' ,)
	echo "$1 $root$2 $type $options" >> /etc/fstab
	checkFS "$1" "$type"
	case $3$type in
	*x-nixos.autoresize*ext[234])
		modprobe "$type"
		echo "resizing $1..."
		e2fsck -fp "$1"
		resize2fs "$1"
		;;
	esac
	if [ "$type" = overlay ]; then
		for dir in $(echo "$options" | grep -oE '(upper|work)dir=[^,]*'); do
			mkdir -m 0700 -p "${dir#*=}"
		done
	fi
	echo "mounting $1 on $2..."
	mkdir -p "$root$2"
	mount "$root$2" || fail
}

# findiso=: the medium is a file on some file system.
if [ -n "$isoPath" ]; then
	mkdir -p /findiso
	for delay in 5 10; do
		for device in $(blkid -o device); do
			mount -t "$(blkid -o value -s TYPE "$device")" "$device" /findiso 2>/dev/null || continue
			if [ -e "/findiso$isoPath" ]; then
				ln -sf "/findiso$isoPath" /dev/root
				break 2
			fi
			umount /findiso
		done
		sleep $delay
	done
fi

# fsInfo: four lines each, from stage-1.nix.
mkdir -p $root
exec 3< @fsInfo@
while read -r point <&3; do
	read -r device <&3
	read -r type <&3
	read -r options <&3
	case $device in
	/dev/*) pseudo= ;;
	//*) pseudo=1 ;;
	/*) pseudo= device=$root$device ;; # a bind mount, or a file for a loop device
	*) pseudo=1 ;;
	esac
	if [ -z "$pseudo" ] && ! waitDevice "$device"; then
		echo "Timed out waiting for device $device, trying to mount anyway."
	fi
	udevadm settle
	if [ -n "$copytoram" ] && [ "$device" = /dev/root ] && [ "$point" = /iso ]; then
		size=$(blockdev --getsize64 /dev/root || stat -Lc %s /dev/root)
		mkdir -p /tmp-iso
		mount -t "$(blkid -o value -s TYPE /dev/root)" /dev/root /tmp-iso
		mountFS tmpfs /iso "size=$size" tmpfs
		cp -r /tmp-iso/* $root/iso/
		umount /tmp-iso
		continue
	fi
	mountFS "$device" "$point" "$options" "$type"
done
exec 3>&-

@postMountCommands@

udevadm control --exit
echo /sbin/modprobe > /proc/sys/kernel/modprobe

if [ ! -e "$root/$stage2" ] && [ ! -L "$root/$stage2" ]; then
	echo "stage 2 init script ($root/$stage2) not found"
	fail
fi
mkdir -m 0755 -p $root/proc $root/sys $root/dev $root/run
for dir in proc sys dev run; do
	mount --move /$dir $root/$dir
done
exec env -i @extraUtils@/bin/switch_root $root "$stage2"
