package image

import (
	"errors"
	"io"
	"os"
)

// IsStream says whether a name is that of a pipe, or of a device that is no disk, such as
// /dev/stdout: a text can be written to it as it comes.
func IsStream(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) != 0
}

// CheckText says why WriteText could not write under a name. It leaves nothing.
func CheckText(path string) error {
	if IsStream(path) {
		return nil
	}
	_, err := Target(path)
	return err
}

// WriteText writes a text that is no image: a report, a script. As all outputs, it has its
// name when it is whole, and keeps the permissions of the file that it replaces. Where the
// name is that of a stream, that is written to. What is executable is for its owner alone, as
// far as it replaces nothing.
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
