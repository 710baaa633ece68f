// Package fileformat has the file formats that ingot knows in one table: those that it writes,
// those that it reads, and those that it only knows by name.
//
// [All] is the table. A row is all that the rest of ingot knows of a format: its name in
// `output.format` of a recipe and in --format; the suffixes of its files; its description in
// messages; the largest disk that it holds; its compression; how to make a file of a disk or
// of files; how to read a disk from one. Help, the JSON Schema, error messages and the
// detection of formats come from the rows, so a new format is a package with its layout, and
// one row here:
//
//	{Name: "vmdk", What: "a disk of VMware", Suffixes: []string{".vmdk"}, Disk: true,
//		Check: vmdk.Check, Layout: vmdk.Layout},
//
// Some formats have no function here: an ISO and a netboot folder hold a live system, and a
// volume is a file system without a table. Only a recipe describes these; package recipes lays
// them out.
//
// # What a name says
//
// [OfName] finds a format by the suffix of a name, if the table has it:
//
//	web.img, web.raw       raw
//	web.qcow2, WEB.QCOW2   qcow2
//	web.vmdk               VMDK, which ingot neither writes nor reads
//	web.img.gz             gzip
//	web, web.disk          nothing
//
// Upper and lower case are the same. The name does not choose the format of an output, but
// ingot refuses a name with the suffix of another format.
//
// # Promises
//
// The bytes of a file depend on those of the disk, or on the files, and on the options alone.
// Identifiers are derived from the disk's partition table. The number of workers changes no
// byte.
package fileformat
