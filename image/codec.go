package image

import (
	"fmt"

	"ingot/internal/grammar"
)

// A Codec is a type of compression that a format has.
type Codec struct {
	Name    string
	Levels  int // the highest; the lowest is 1
	Default int // the level where none is given
}

// A Compression says how a file is compressed: by which type that its format has, and at
// which level, or at the type's own if that is 0. Without a type it is not.
type Compression struct {
	Type  string
	Level int
}

// Find returns which of the codecs of a format is meant, and its level.
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

// An OtherFormatError says that a file has another format than the one that it is read as.
type OtherFormatError struct{ Format string }

func (e *OtherFormatError) Error() string { return "not a " + e.Format + " file" }
