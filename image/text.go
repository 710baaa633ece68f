package image

import (
	"errors"
	"io"
	"os"
)

// IsStream says whether a path is a pipe or a character device, such as /dev/stdout, to which
// text is written directly.
func IsStream(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) != 0
}

// CheckText returns the error that WriteText would return for a path, and leaves nothing
// behind.
func CheckText(path string) error {
	if IsStream(path) {
		return nil
	}
	_, err := Target(path)
	return err
}

// WriteText writes a text, such as a report or a script, to a file or stream. Like all outputs,
// the file gets its name when it is complete, and keeps the permissions of the one that it
// replaces. A new executable is for its owner alone.
func WriteText(path string, executable bool, write func(io.Writer) error) error {
	if IsStream(path) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	out, err := Create(path)
	if err != nil {
		return err
	}
	defer out.Abort()
	out.NoSync = true
	if err := write(out); err != nil {
		return err
	}
	if executable {
		if err := out.Chmod(0o700); err != nil {
			return err
		}
	}
	return out.Commit()
}
