// Package blocks has what the formats share that store a disk in blocks: qcow2, VDI and
// dynamic VHD. [Runs] place the blocks with data in a file that is written; a [Table] finds
// them in a file that is read, which may be of anyone's making and is not trusted.
package blocks
