package guest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"ingot/guest/wire"
)

const (
	cryptsetup = "/usr/sbin/cryptsetup"
	keyMedium  = "/run/ingot-key"
	tries      = 3       // of a passphrase, before the emergency shell
	longestKey = 8 << 20 // bytes, the most that cryptsetup reads of a key file
)

// unlock opens the containers that the command line names.
func (s *system) unlock() error {
	for i, value := range wire.LUKSWord.All(s.cmdline) {
		text, name, _ := strings.Cut(value, ",")
		if name == "" {
			name = fmt.Sprintf("luks%d", i)
		}
		if strings.ContainsAny(name, "/. ") {
			return fmt.Errorf("%s=: %q is not a name for the unlocked device", wire.LUKSWord, name)
		}
		if _, err := os.Stat("/dev/mapper/" + name); err == nil {
			continue // unlocked by an earlier try
		}
		device, err := s.waitFor(wire.LUKSWord, text)
		if err != nil {
			return err
		}
		if err := s.unlockDevice(device, name); err != nil {
			return err
		}
	}
	return nil
}

// unlockDevice opens one container, by the key file that the command line names, or by a
// passphrase from the console.
func (s *system) unlockDevice(device, name string) error {
	if where, ok := wire.LUKSKeyWord.In(s.cmdline); ok {
		key, err := s.readKey(where)
		if err == nil {
			err = s.open(device, name, key)
		}
		if err == nil {
			return nil
		}
		s.say("%s: the key %s does not unlock it: %v", device, where, err)
	}
	console := s.mainConsole()
	var err error
	for range tries {
		var key []byte
		if key, err = askPassphrase(console, fmt.Sprintf("ingot: passphrase of %s: ", device)); err != nil {
			return err
		}
		if err = s.open(device, name, key); err == nil {
			return nil
		}
		s.say("%v", err)
	}
	return err
}

// open opens a container with cryptsetup.
func (s *system) open(device, name string, key []byte) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		w.Close()
		return err
	}
	defer null.Close()
	argv := []string{"cryptsetup", "open", "--type=luks", "--key-file=-", device, name}
	done, err := s.children.start(cryptsetup, argv, append(environment("console"), "DM_DISABLE_UDEV=1"), r, null, null)
	r.Close()
	if err == nil {
		_, err = w.Write(key)
	}
	w.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	status := <-done
	if status == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s", device, luksReason(status))
}

// luksReason explains a status of cryptsetup(8).
func luksReason(status syscall.WaitStatus) string {
	reasons := map[int]string{
		1: "cryptsetup does not know what to do with it", 2: "wrong passphrase or key",
		3: "too little memory to try a passphrase", 4: "cryptsetup cannot use it: is the kernel's dm_crypt there, and its cipher?",
		5: "it is in use, or there is something of that name",
	}
	if reason, ok := reasons[status.ExitStatus()]; ok && status.Exited() {
		return reason
	}
	return "cryptsetup: " + describe(status)
}

// readKey reads DEVICE:/PATH, without a newline at its end.
func (s *system) readKey(where string) ([]byte, error) {
	at := strings.Index(where, ":/")
	if at < 0 {
		return nil, errors.New("it is not of the form UUID=…:/PATH")
	}
	device, err := s.waitFor(wire.LUKSKeyWord, where[:at])
	if err != nil {
		return nil, err
	}
	fstype, err := fileSystem(device)
	if err != nil {
		return nil, err
	}
	if err := mountAt(device, keyMedium, fstype, unix.MS_RDONLY, ""); err != nil {
		return nil, err
	}
	defer unix.Unmount(keyMedium, 0)
	f, err := os.Open(filepath.Join(keyMedium, where[at+1:]))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	key, err := io.ReadAll(io.LimitReader(f, longestKey+1))
	if len(key) > longestKey {
		return nil, fmt.Errorf("%s has more than the %d bytes of a key", where, longestKey)
	}
	return bytes.TrimSuffix(key, []byte("\n")), err
}

// askPassphrase reads a line from a console without echo.
func askPassphrase(console, prompt string) ([]byte, error) {
	tty, err := openConsole(console, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	fd := int(tty.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	quiet := *before
	quiet.Lflag &^= unix.ECHO // before the prompt, so that an answer to it never shows
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &quiet); err != nil {
		return nil, err
	}
	defer func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, before) }()
	if _, err := tty.WriteString("\r" + prompt); err != nil {
		return nil, err
	}
	line, err := term.ReadPassword(fd)
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	_, err = tty.WriteString("\n")
	return line, err
}
