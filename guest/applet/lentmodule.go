package applet

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/bootloader/kernel"
	"ingot/guest/wire"
)

// ModulesSocket is where a helper's init gives modules that the host has.
const ModulesSocket = "/run/ingot/modules"

// moduleClosure finds modules and their dependencies: the guest's own, else the host's.
func moduleClosure(names []string) ([]kernel.Module, error) {
	k, err := running()
	if err == nil {
		var modules []kernel.Module
		if modules, err = k.Closure(names...); err == nil {
			return modules, nil
		}
	}
	conn, missing := net.Dial("unix", ModulesSocket)
	if missing != nil {
		return nil, err
	}
	defer conn.Close()
	modules, fetched := fetchModules(conn, names)
	if errors.Is(fetched, errUnknownModule) {
		return nil, err
	}
	return modules, fetched
}

var errUnknownModule = errors.New("no such module")

// fetchModules has the host send modules, and puts them to the guest's own.
func fetchModules(conn io.ReadWriter, names []string) ([]kernel.Module, error) {
	line := strings.Join(names, " ") + " \n"
	if len(line) > wire.MaxModulesLine || strings.Count(line, "\n") != 1 {
		return nil, errUnknownModule
	}
	if _, err := io.WriteString(conn, line); err != nil {
		return nil, fmt.Errorf("modules of the host: %w", err)
	}
	in := bufio.NewReader(conn)
	header, err := in.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("modules of the host: %w", err)
	}
	var reply wire.ModulesReply
	if err := json.Unmarshal(header, &reply); err != nil {
		return nil, fmt.Errorf("modules of the host: %w", err)
	}
	switch {
	case reply.Unknown:
		return nil, errUnknownModule
	case reply.Failed != "":
		return nil, errors.New(reply.Failed)
	}
	return saveModules(in, reply.Modules)
}

// saveModules writes modules to where the running kernel's lie, so that they can be looked
// at, too.
func saveModules(in io.Reader, files []wire.ModuleFile) (list []kernel.Module, err error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return nil, err
	}
	dir := filepath.Join("/lib/modules", unix.ByteSliceToString(u.Release[:]))
	for _, file := range files {
		if !filepath.IsLocal(file.Path) {
			return nil, fmt.Errorf("modules of the host: %q leads out of the folder", file.Path)
		}
		object := make([]byte, file.Size)
		if _, err := io.ReadFull(in, object); err != nil {
			return nil, fmt.Errorf("modules of the host: %s: %w", file.Name, err)
		}
		m := kernel.Module{Name: file.Name, Rel: file.Path, Path: filepath.Join(dir, file.Path)}
		if err := errors.Join(os.MkdirAll(filepath.Dir(m.Path), 0o755), os.WriteFile(m.Path, object, 0o644)); err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}
