// Package ssh is a small server for logging in to a guest with a key: the protocol of
// RFC 4251 to 4254, with terminals, commands, their exit statuses and signals, and files
// (SFTP, which scp uses).
//
//	host, err := ssh.HostKey("/etc/ssh/ssh_host_ed25519_key")
//	s := &ssh.Server{HostKey: host, Keys: authorized, Program: "/proc/self/exe", Login: []string{"-sh"}, Command: []string{"sh", "-c"}}
//	err = s.Serve(listener)
//
// # What it guarantees
//
// There are no passwords: logging in takes a key. The list of keys is read for each attempt,
// so that a removed key fails at once. A key whose line in authorized_keys has options is
// refused: it would be allowed more than its owner meant. When a connection ends, the
// programs of its sessions get SIGHUP.
//
// # Limits
//
// The one user is root. Ports, sockets and agents are not forwarded.
package ssh
