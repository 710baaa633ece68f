package netboot

import (
	"cmp"
	"fmt"
	"strings"
)

// Run is the script in a folder for kexec, which starts the system in place of a running one.
// nixpkgs' tree has such a script as kexec-boot (nixos/modules/installer/netboot/netboot.nix).
type Run struct {
	Name  string // of the image
	Title string // of the entry that boots
	Arch  string // as recipes spell it
}

// machines are the patterns of what uname -m prints where a kernel of an architecture can be
// started.
var machines = map[string]string{
	"x86_64": "x86_64", "i686": "i?86|x86_64", "aarch64": "aarch64|arm64", "armhf": "armv[78]*", "riscv64": "riscv64",
}

// Text returns the script, for any POSIX shell. The kernel's arguments are in a file of their
// own, so that nothing of them is the shell's.
func (r Run) Text() string {
	return fmt.Sprintf(runText, comment(r.Name), comment(r.Title), cmp.Or(machines[r.Arch], "*"), r.Arch)
}

// comment makes a text fit for the comment of a script: one line.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

const runText = `#!/bin/sh
# Starts %[1]s (%[2]s) in place of the running system, by kexec.
#
#   run [--load] [ARGUMENT...]
#
# Each ARGUMENT is added to the kernel's own, which are in the file command-line. With --load,
# the system is only loaded: systemctl kexec, or kexec -e, starts it later.
set -eu

fail() {
	echo "run: $*" >&2
	exit 1
}

load=
case ${1-} in
--load)
	load=yes
	shift
	;;
-h | --help)
	echo "usage: run [--load] [ARGUMENT...]"
	exit 0
	;;
esac

unset CDPATH
here=$(cd "$(dirname "$0")" && pwd)
for file in kernel initrd command-line; do
	[ -f "$here/$file" ] || fail "$here/$file is missing"
done
case $(uname -m) in
%[3]s) ;;
*) fail "this machine is $(uname -m), and the system is for %[4]s" ;;
esac
[ "$(id -u)" = 0 ] || fail "only root can start another kernel"
command -v kexec >/dev/null || fail "kexec is missing: install kexec-tools"

line=$(cat "$here/command-line")
[ $# = 0 ] || line="$line $*"
# A kernel that is locked down takes no other way than that of --kexec-syscall-auto, and old
# versions of kexec do not know that.
kexec --load --kexec-syscall-auto --initrd="$here/initrd" --command-line="$line" "$here/kernel" 2>/dev/null ||
	kexec --load --initrd="$here/initrd" --command-line="$line" "$here/kernel" ||
	fail "kexec cannot load $here/kernel"
[ -z "$load" ] || exit 0
sync
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
	exec systemctl kexec # which ends all services, and unmounts
fi
exec kexec -e
`
