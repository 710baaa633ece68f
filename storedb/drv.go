package storedb

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"ingot/image"
)

// output is an output of a derivation.
type output struct{ name, path string }

// outputs returns the outputs of an item that is a derivation, and none for others
// and for derivations whose files are not known.
func (it *Item) outputs(f Flavour) ([]output, error) {
	if !strings.HasSuffix(it.Path, ".drv") || it.Node == nil || !it.Node.Mode.IsRegular() || it.Node.Data == nil {
		return nil, nil
	}
	b, err := image.ReadAll(it.Node.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", it.Path, err)
	}
	outputs, err := parseOutputs(b)
	for _, out := range outputs {
		if err == nil {
			err = f.CheckPath(out.path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not a derivation: %w", it.Path, err)
	}
	return outputs, nil
}

// parseOutputs reads the outputs of a derivation, an ATerm that begins with
//
//	Derive([("out","/nix/store/…","",""),…],
//
// or, since Nix 2.17, DrvWithVersion("xp-dyn-drv",[…]. Outputs without a path, which
// the contents will decide, are left out. go-nix has a reader of derivations that
// asks for more than Guix writes: an environment variable "name", and /nix/store.
func parseOutputs(b []byte) ([]output, error) {
	p := atermReader{b}
	if !p.skip("Derive(") {
		if !p.skip("DrvWithVersion(") {
			return nil, errors.New(`it does not begin with "Derive("`)
		}
		if _, err := p.string(); err != nil {
			return nil, err
		}
		if !p.skip(",") {
			return nil, p.expected(`","`)
		}
	}
	if !p.skip("[") {
		return nil, p.expected(`"["`)
	}
	var outputs []output
	for !p.skip("]") {
		if len(outputs) > 0 && !p.skip(",") {
			return nil, p.expected(`"," or "]"`)
		}
		fields, err := p.tuple()
		if err != nil {
			return nil, err
		}
		outputs = append(outputs, output{fields[0], fields[1]})
	}
	n := 0
	for _, out := range outputs {
		if out.path != "" {
			outputs[n] = out
			n++
		}
	}
	return outputs[:n], nil
}

// atermReader holds what is left to read.
type atermReader struct{ rest []byte }

func (p *atermReader) skip(s string) bool {
	rest, ok := bytes.CutPrefix(p.rest, []byte(s))
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *atermReader) expected(what string) error {
	return fmt.Errorf("%s was expected before %.20q", what, p.rest)
}

// tuple reads four strings: name, path, hash algorithm, hash.
func (p *atermReader) tuple() (fields [4]string, err error) {
	for i, before := range [...]string{"(", ",", ",", ","} {
		if !p.skip(before) {
			return fields, p.expected(`"` + before + `"`)
		}
		if fields[i], err = p.string(); err != nil {
			return fields, err
		}
	}
	if !p.skip(")") {
		return fields, p.expected(`")"`)
	}
	return fields, nil
}

func (p *atermReader) string() (string, error) {
	if !p.skip(`"`) {
		return "", p.expected("a string")
	}
	var s []byte
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; c {
		case '"':
			p.rest = p.rest[i+1:]
			return string(s), nil
		case '\\':
			if i++; i == len(p.rest) {
				return "", errors.New("a string does not end")
			}
			s = append(s, unescape(p.rest[i]))
		default:
			s = append(s, c)
		}
	}
	return "", errors.New("a string does not end")
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
