package storedb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// pathInfo is what nix path-info --json and the structured attributes of
// exportReferencesGraph say of a path.
type pathInfo struct {
	Path       string   `json:"path"`
	NarHash    string   `json:"narHash"`
	NarSize    int64    `json:"narSize"`
	References []string `json:"references"`
	Deriver    string   `json:"deriver"`
	Ultimate   bool     `json:"ultimate"`
	Signatures []string `json:"signatures"`
	CA         string   `json:"ca"`
	Valid      *bool    `json:"valid"`
}

// ReadPathInfo reads what nix path-info --json --recursive prints, which is a list
// of objects up to Nix 2.18, and one object with the paths as keys from 2.19 on.
func (f Flavour) ReadPathInfo(name string, r io.Reader) ([]*Item, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	infos, err := parsePathInfo(b)
	if err != nil {
		return nil, inJSON(name, b, err)
	}
	items := make([]*Item, len(infos))
	for i, info := range infos {
		if items[i], err = f.itemOf(name, info); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return items, nil
}

func parsePathInfo(b []byte) (infos []*pathInfo, err error) {
	if bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("[")) {
		err = json.Unmarshal(b, &infos)
		return infos, err
	}
	var keyed map[string]*pathInfo
	if err := json.Unmarshal(b, &keyed); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(keyed)) {
		info := keyed[path]
		if info == nil { // so Nix writes what is not valid
			no := false
			info = &pathInfo{Valid: &no}
		}
		info.Path = path
		infos = append(infos, info)
	}
	return infos, nil
}

func (f Flavour) itemOf(name string, info *pathInfo) (*Item, error) {
	if info == nil {
		return nil, errors.New("null stands where a path was expected")
	}
	it := &Item{
		Path: info.Path, NarSize: info.NarSize, References: f.full(info.References), Deriver: info.Deriver,
		Ultimate: info.Ultimate, Sigs: sortedSet(info.Signatures), CA: info.CA, Origin: Origin{File: name},
	}
	if err := f.CheckPath(it.Path); err != nil {
		return nil, err
	}
	if info.Valid != nil && !*info.Valid {
		return nil, fmt.Errorf("%s is not a valid path of the store that was asked", it.Path)
	}
	if it.NarSize < 0 {
		return nil, fmt.Errorf("%s: size %d is negative", it.Path, it.NarSize)
	}
	for _, ref := range it.References {
		if err := f.CheckPath(ref); err != nil {
			return nil, fmt.Errorf("%s: reference: %w", it.Path, err)
		}
	}
	if info.NarHash != "" {
		var err error
		if it.NarHash, err = ParseHash(info.NarHash); err != nil {
			return nil, fmt.Errorf("%s: %w", it.Path, err)
		}
	}
	return it, nil
}

// full returns references with the store directory, which some versions leave out.
func (f Flavour) full(references []string) []string {
	for i, ref := range references {
		if !strings.HasPrefix(ref, "/") {
			references[i] = f.StoreDir() + "/" + ref
		}
	}
	return sortedSet(references)
}

// inJSON adds to an error of encoding/json where it is.
func inJSON(name string, b []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	offset := int64(-1)
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	}
	if offset < 0 || offset > int64(len(b)) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s:%d: %w", name, 1+bytes.Count(b[:offset], []byte("\n")), err)
}
