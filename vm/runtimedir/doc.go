// Package runtimedir opens the folder in which a user's running machines are listed and
// reached, and works in it.
//
//	d, err := runtimedir.Make("/run/user/1000/ingot")
//	l, err := d.Listen("web.control")
//	f, err := d.OpenFile("web.json", os.O_RDWR)
//
// # What it guarantees
//
// There is no [Dir] but by a check: it is a folder and no symbolic link, it belongs to
// this user, and nobody else may do anything in it. What is checked is a descriptor, and
// all that is done afterwards goes by that descriptor and a name without a slash; the path
// is for people to read. Somebody who may write to the folder above, which is /tmp where
// there is no better one, can put something else there, and changes nothing.
//
// In the folder, a symbolic link is never followed. What is opened, connected to or removed
// belongs to this user and is of the kind that was expected. Who answers at a socket
// is asked of the kernel.
package runtimedir
