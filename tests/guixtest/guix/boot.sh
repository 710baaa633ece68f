#! @tools@/bin/sh
# What gnu.load names: in a Guix System a program that starts the Shepherd, here one
# that looks around, says what it finds, and powers the machine off.
PATH=@tools@/bin
echo "ingot-test: loaded @out@/boot"
while read -r device folder kind options rest; do
	[ $folder = / ] && root="$kind ${options%%,*}"
done < /proc/mounts
echo "ingot-test: root is $root"
for word in $(cat /proc/cmdline); do
	case $word in gnu.system=*) echo "ingot-test: system is ${word#gnu.system=}" ;; esac
done
for file in /var/guix/db/db.sqlite /var/guix/profiles/system/parameters /home /tmp; do
	[ -e $file ] && echo "ingot-test: found $file"
done
echo "ingot-test: done"
sync
poweroff -f
