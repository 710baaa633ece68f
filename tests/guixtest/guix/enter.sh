#!/bin/sh
# enter.sh CHROOT ROOT SHARED: runs SHARED/steps.sh in a chroot with Guix, where
# /gnu and /var/guix are those of ROOT, a folder or an image of an ext4 file system,
# and /mnt is SHARED. It is called in namespaces of its own: nothing of what is
# mounted here is seen outside, and no process outlives it.
set -e
chroot=$1 root=$2 shared=$3

mount --make-rprivate /
if [ -f "$root" ]; then
	mkdir -p "$shared/root"
	mount -o loop "$root" "$shared/root"
	root=$shared/root
fi
mount --bind "$chroot" "$chroot"
mount -o remount,ro,bind "$chroot"
mount --bind "$root/gnu" "$chroot/gnu"
mount --bind "$root/var/guix" "$chroot/var/guix"
mount --rbind "$shared" "$chroot/mnt"
mount -t proc proc "$chroot/proc"
if [ -e "$shared/sandbox" ]; then
	for file in passwd group; do
		cp "$chroot/etc/$file" "$shared/$file"
		mount --bind "$shared/$file" "$chroot/etc/$file"
	done
	echo guixbuilder01:x:30001:30000::/var/empty:/usr/sbin/nologin >> "$shared/passwd"
	echo guixbuild:x:30000:guixbuilder01 >> "$shared/group"
fi
for folder in tmp root var/log run; do
	mount -t tmpfs tmpfs "$chroot/$folder"
done

status=0
chroot "$chroot" /bin/sh /mnt/session.sh || status=$?

# The daemon's children outlive it by a moment. This shell is the first process of its
# namespace, so that nobody else is meant.
kill -KILL -1 2> /dev/null || true
tries=0
until umount -R "$chroot" 2> /dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 600 ] || { echo "$chroot is still in use" >&2; exit 1; }
	sleep 0.1
done
if [ "$root" = "$shared/root" ]; then
	umount "$root" # here, not when the namespace ends: the image is whole from now on
fi
exit $status
