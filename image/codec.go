package image

import (
	"fmt"

	"ingot/internal/grammar"
)

// A Codec is a type of compression that a format has.
type Codec struct {
	Name    string
	Levels  int // the highest; the lowest is 1
	Default int // the default level
}

// A Compression is a type of compression of a format, and its level; 0 is the default level of
// the type. Without a type, the file is not compressed.
type Compression struct {
	Type  string
	Level int
}

// Find returns the index of the compression among the codecs of a format, and its level.
func (c Compression) Find(format string, codecs []Codec) (index, level int, err error) {
	var names []string
	for i, codec := range codecs {
		names = append(names, codec.Name)
		switch level := c.Level; {
		case codec.Name != c.Type:
			continue
		case level == 0:
			return i, codec.Default, nil
		case level < 1 || level > codec.Levels:
			return 0, 0, fmt.Errorf("level %d: %s has the levels 1 to %d", level, c.Type, codec.Levels)
		default:
			return i, level, nil
		}
	}
	if len(codecs) == 0 {
		return 0, 0, fmt.Errorf("compression %q: %s has none", c.Type, format)
	}
	return 0, 0, fmt.Errorf("compression %q: %s knows %s", c.Type, format, grammar.And(names...))
}

// An OtherFormatError says that a file does not have the expected format.
type OtherFormatError struct{ Format string }

func (e *OtherFormatError) Error() string { return "not a " + e.Format + " file" }
