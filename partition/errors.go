package partition

import "ingot/internal/printable"

// A PartitionError is an error in one partition of a table.
type PartitionError struct {
	Index int // in Table.Partitions
	Name  string
	Err   error
}

func (e *PartitionError) Error() string {
	return "partition " + printable.Name(e.Name) + ": " + e.Err.Error()
}
func (e *PartitionError) Unwrap() error { return e.Err }

// A RawError is an error in bytes outside of partitions, which Err names.
type RawError struct {
	Index int // in Table.Raw
	Err   error
}

func (e *RawError) Error() string { return e.Err.Error() }
func (e *RawError) Unwrap() error { return e.Err }
