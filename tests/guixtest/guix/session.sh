# Runs /mnt/steps.sh with a daemon at hand. With /mnt/sandbox, it builds as a Guix System's does:
# as another user, in a chroot with the inputs alone. Otherwise builders run beside it, and may
# use the Guile that Guix itself runs on.
set -e
export LC_ALL=C.UTF-8 TZ=UTC HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
export GUILE_AUTO_COMPILE=0

build=--disable-chroot
if [ -e /mnt/sandbox ]; then
	build=--build-users-group=guixbuild
fi
guix-daemon $build --no-substitutes --max-jobs=1 --cores=1 2> /mnt/daemon.log &
daemon=$!
trap 'kill $daemon; wait $daemon || true; cat /mnt/daemon.log >&2' EXIT
tries=0
until guix repl /mnt/ready.scm 2> /dev/null; do
	tries=$((tries + 1))
	[ $tries -lt 600 ] || { echo "guix-daemon does not answer" >&2; exit 1; }
	sleep 0.1
done
. /mnt/steps.sh
