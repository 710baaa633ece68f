// Package ssh lets people log in to a guest who have a key: a small server for the
// protocol of RFC 4251 to 4254, with terminals, commands, their exit statuses and
// signals, and files (SFTP, which is what scp speaks).
//
//	host, err := ssh.HostKey("/etc/ssh/ssh_host_ed25519_key")
//	s := &ssh.Server{HostKey: host, Keys: authorized, Program: "/proc/self/exe", Login: []string{"-sh"}, Command: []string{"sh", "-c"}}
//	err = s.Serve(listener)
//
// # What it guarantees
//
// There are no passwords, and without a key nobody gets in. Keys count from when they are
// there until they are not: each attempt asks for them anew. A key whose line in
// authorized_keys carries options is refused: it would be let do more than its owner
// meant. What a session started is hung up on when its connection ends.
//
// # Limits
//
// The one user is root. Ports, sockets and agents are not forwarded.
package ssh
