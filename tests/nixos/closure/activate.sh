#! @shell@/bin/sh
# What system.activationScripts have a running or starting system do: activation-script.nix,
# etc/etc-activation.nix (setup-etc.pl), config/system-environment, programs/environment.nix.
systemConfig=@systemConfig@
PATH=@shell@/bin
export PATH

mkdir -m 0755 -p /bin /usr/bin /nix/var/nix/gcroots
ln -sfn @shell@/bin/sh /bin/.sh.tmp
mv -f /bin/.sh.tmp /bin/sh
ln -sfn @shell@/bin/env /usr/bin/env

echo "setting up /etc..."
mkdir -p /etc
ln -sfn $systemConfig/etc /etc/static
for file in $(cd /etc/static/ && find . -type f -o -type l); do
	name=${file#./}
	mkdir -p "/etc/$(dirname "$name")"
	ln -sfn "/etc/static/$name" "/etc/$name"
done
touch /etc/NIXOS
[ -e /etc/passwd ] || printf 'root:x:0:0:System administrator:/root:/bin/sh\n' > /etc/passwd
[ -e /etc/group ] || printf 'root:x:0:\n' > /etc/group

ln -sfn $systemConfig /run/current-system
# Roots of the garbage collector: /run/current-system is one by this link.
ln -sfn /run/current-system /nix/var/nix/gcroots/current-system
ln -sfn /run/booted-system /nix/var/nix/gcroots/booted-system
