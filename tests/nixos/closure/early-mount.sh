# earlyMountScript: boot.specialFileSystems of tasks/filesystems.nix, which systemd takes over.
mkdir -m 0755 -p /proc /dev /run
mount -n -t proc -o nosuid,nodev,noexec proc /proc
mount -n -t devtmpfs -o nosuid,strictatime,mode=755,size=5% devtmpfs /dev
