package run

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"

	"ingot/guest/wire"
	"ingot/internal/shellwords"
	"ingot/vm"
)

const sshPort = 22

// sshKeySize is how many bytes a key of Ed25519 has (RFC 8709, section 4): its name and its 32
// bytes, each with their length.
const sshKeySize = 4 + len("ssh-ed25519") + 4 + ed25519.PublicKeySize

// letSSHIn makes a key, writes it to a file that is the user's alone, and has the guest
// take it. A port of the host's that is free leads to the guest's, unless one does.
func (o *Options) letSSHIn(c *reservation) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "ingot run")
	if err != nil {
		return err
	}
	f, err := c.dir.OpenFile(c.name+keySuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	_, err = f.Write(pem.EncodeToMemory(block))
	if err := cmp.Or(err, f.Close()); err != nil {
		return err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	o.Words = append(slices.Clone(o.Words), wire.SSHWord.With(base64.RawURLEncoding.EncodeToString(key.Marshal())))
	if !slices.ContainsFunc(o.Forwards, func(f vm.Forward) bool { return f.GuestPort == sshPort }) {
		o.Forwards = append(slices.Clone(o.Forwards), vm.Forward{Proto: "tcp", GuestPort: sshPort})
	}
	return nil
}

// sshOptions lead to a port. The guest's own key is made at its start, so that there is
// none to know it by; nobody but this user reaches the port's other end.
func sshOptions(port int) string {
	return fmt.Sprintf("-p %d -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null", port)
}

// sshCommand is what a person types.
func sshCommand(key string, port int) string {
	return fmt.Sprintf("ssh -i %s %s root@127.0.0.1", shellwords.Quote([]string{key}), sshOptions(port))
}

// buildCommand is what a person types whose Nix is to have the machine build, for all that
// they build in this way: a line of Nix's machines file, and how its ssh gets there. That
// tells of each key that it has not seen before, which is of no use here.
func buildCommand(key string, port int, arch vm.Arch, cpus int) string {
	machine := fmt.Sprintf("ssh://root@127.0.0.1 %s %s %d", arch.Nix(), key, cpus)
	return fmt.Sprintf("NIX_SSHOPTS=%s nix-build --max-jobs 0 --builders %s",
		shellwords.Quote([]string{sshOptions(port) + " -o LogLevel=ERROR"}), shellwords.Quote([]string{machine}))
}
