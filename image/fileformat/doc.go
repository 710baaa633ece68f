// Package fileformat has the file formats that ingot knows in one table: those that it writes,
// those that it reads, and those that it only knows by name.
//
// [All] is the table. A row says all that the rest of ingot has to know of a format: its
// name, which is the word for it in `output.format` of a recipe, --format and --format; the
// suffixes of its files; what it is called in messages; the largest disk that it holds; how
// it compresses; how such a file is made of a disk or of files; how a disk is read from one.
// Help, the JSON Schema, error messages and the detection of formats are made from the rows,
// so a new format is a package with its layout, and one row here:
//
//	{Name: "vmdk", What: "a disk of VMware", Suffixes: []string{".vmdk"}, Disk: true,
//		Check: vmdk.Check, Layout: vmdk.Layout},
//
// Two formats are not made by a function here: an ISO and a netboot folder hold a live
// system, which only a recipe describes; package recipes lays them out.
//
// # What a name says
//
// [OfName] looks at the suffix of a name. One that is not in the table, or none, says nothing:
//
//	web.img, web.raw       raw
//	web.qcow2, WEB.QCOW2   qcow2
//	web.vmdk               VMDK, which ingot neither writes nor reads
//	web.img.gz             gzip
//	web, web.disk          nothing
//
// Upper and lower case are the same. The name decides no format: an output gets the one that
// was asked for, and is refused if its name says another.
//
// # Promises
//
// The bytes of a file depend on those of the disk, or on the files, and on the options alone;
// an identifier that a format needs is derived from the disk's partition table. The number of
// workers changes no byte.
package fileformat
