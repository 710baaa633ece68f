#! @tools@/bin/sh
# The system's init: looks around, says what it finds, and powers the machine off if
# the kernel's command line has ingot-test.poweroff; else it is a shell.
PATH=@tools@/bin
export PATH
say() { echo "ingot-test: $*"; }

say "reached init of @out@"
while read -r device folder kind options rest; do
	[ $folder = / ] && root="$kind $device ${options%%,*}"
done < /proc/mounts
say "root is $root"
say "store holds $(ls /nix/store | wc -l) paths"

digest=$(find @others@ -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c -64)
if [ "$digest" = @digest@ ]; then
	say "contents match"
else
	say "contents differ: $digest"
fi
for file in /nix/var/nix/db/db.sqlite /etc/NIXOS /etc/hostname; do
	[ -e $file ] && say "found $file"
done
say done

case " $(cat /proc/cmdline) " in
*' ingot-test.poweroff '*)
	sync
	mount -o remount,ro / 2>/dev/null
	poweroff -f
	;;
esac
exec setsid cttyhack sh
