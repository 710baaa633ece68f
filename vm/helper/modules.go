package helper

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"ingot/bootloader/kernel"
	"ingot/guest/wire"
)

// serveModules sends modules of its kernel to the guest on request, and reads none before.
func (v *VM) serveModules(k *kernel.Kernel) {
	stream, err := v.Open(wire.Request{Modules: &wire.Modules{}})
	if err != nil {
		return // the session has ended
	}
	asked := bufio.NewReaderSize(stream.Reader(wire.Stdout), wire.MaxModulesLine)
	for {
		line, err := asked.ReadSlice('\n')
		if err != nil {
			return
		}
		if err := answerModules(stream.Writer(wire.Stdin), k, strings.Fields(string(line))); err != nil {
			return
		}
	}
}

// answerModules sends modules with all that they depend on. An error is one of the line.
func answerModules(w io.Writer, k *kernel.Kernel, names []string) error {
	reply, objects := findModules(k, names)
	header, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	for _, p := range append([][]byte{append(header, '\n')}, objects...) {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}

// maxModules is how much one answer has: a guest may ask for all that there are, and they
// are held in memory. The largest module of a distribution, with all that it depends on,
// has a fifth of that.
const maxModules = 256 << 20

func findModules(k *kernel.Kernel, names []string) (reply wire.ModulesReply, objects [][]byte) {
	modules, err := k.Closure(names...)
	if err != nil {
		return wire.ModulesReply{Unknown: errors.As(err, new(*kernel.UnknownModuleError)), Failed: err.Error()}, nil
	}
	total := 0
	for _, m := range modules {
		object, err := m.Read()
		if total += len(object); err == nil && total > maxModules {
			err = fmt.Errorf("with it, the requested modules take more than %d MiB; request fewer at a time", maxModules>>20)
		}
		if err != nil {
			return wire.ModulesReply{Failed: fmt.Sprintf("module %s: %v", m.Name, err)}, nil
		}
		name, _, _ := strings.Cut(path.Base(m.Rel), ".ko")
		reply.Modules = append(reply.Modules, wire.ModuleFile{
			Name: m.Name, Path: path.Join(path.Dir(m.Rel), name+".ko"), Size: int64(len(object)),
		})
		objects = append(objects, object)
	}
	return reply, objects
}
