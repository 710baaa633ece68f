package partition

import "ingot/internal/printable"

// A PartitionError says what is wrong with one partition of a table.
type PartitionError struct {
	Index int // in Table.Partitions
	Name  string
	Err   error
}

func (e *PartitionError) Error() string {
	return "partition " + printable.Name(e.Name) + ": " + e.Err.Error()
}
func (e *PartitionError) Unwrap() error { return e.Err }

// A RawError says what is wrong with bytes outside of partitions. Err names them.
type RawError struct {
	Index int // in Table.Raw
	Err   error
}

func (e *RawError) Error() string { return e.Err.Error() }
func (e *RawError) Unwrap() error { return e.Err }
