#!/bin/sh
# enter.sh CHROOT WORK PROGRAM ARG...: runs a program in a chroot with Nix, where /nix is WORK/nix and
# /mnt is WORK, as root, with nixbld users to build as. It is called in namespaces of its own: nothing
# of what is mounted here is seen outside, and no process outlives it.
set -e
chroot=$1 work=$2
shift 2

mount --make-rprivate /
mount --bind "$chroot" "$chroot"
mkdir -p "$work/nix"
for folder in /nix /mnt; do
	[ -d "$chroot$folder" ] || mkdir "$chroot$folder"
done
mount --bind "$work/nix" "$chroot/nix"
mount --bind "$work" "$chroot/mnt"
mount --rbind /dev "$chroot/dev"
mount -t proc proc "$chroot/proc"
mount -t tmpfs tmpfs "$chroot/tmp"
mount -t tmpfs -o mode=755 tmpfs "$chroot/run"

cp "$chroot/etc/passwd" "$chroot/etc/group" "$chroot/run"
members=
for n in 1 2 3 4; do
	echo "nixbld$n:x:$((30000 + n)):30000:Nix build user $n:/var/empty:/usr/sbin/nologin" >> "$chroot/run/passwd"
	members=$members${members:+,}nixbld$n
done
echo "nixbld:x:30000:$members" >> "$chroot/run/group"
for file in passwd group; do
	mount --bind "$chroot/run/$file" "$chroot/etc/$file"
done

# A root of its own, and not a chroot: in one, no user namespace can be made, which Nix wants.
mkdir "$chroot/run/old"
cd "$chroot"
pivot_root . run/old
exec "$@"
