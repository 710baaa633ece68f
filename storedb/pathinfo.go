package storedb

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"ingot/internal/grammar"
	"ingot/internal/printable"
)

// pathInfo is a path in the output of nix path-info --json and in the structured attributes of
// exportReferencesGraph.
type pathInfo struct {
	Path       string          `json:"path"`
	NarHash    jsonHash        `json:"narHash"`
	NarSize    int64           `json:"narSize"`
	References []string        `json:"references"`
	Deriver    string          `json:"deriver"`
	Ultimate   bool            `json:"ultimate"`
	Signatures []jsonSig       `json:"signatures"`
	CA         jsonCA          `json:"ca"`
	Valid      *bool           `json:"valid"`
	StoreDir   *string         `json:"storeDir"`
	Version    json.RawMessage `json:"version"`
}

// pathInfoVersions are the versions of the format that are known: 1 has whole store paths, 2
// their base names, and content addresses as objects, and 3 signatures as objects
// (PathInfoJsonFormat in src/libstore/path-info.cc). Which it is shows in each value.
var pathInfoVersions = []string{"1", "2", "3"}

// checkFormat refuses another store's paths, and versions of the format that are not known.
func (f Flavour) checkFormat(storeDir *string, version json.RawMessage) error {
	if storeDir != nil && *storeDir != f.StoreDir() {
		return fmt.Errorf("its paths are of the store %s, and %s is expected", printable.Quote(*storeDir), f.StoreDir())
	}
	if version != nil && !slices.Contains(pathInfoVersions, string(version)) {
		return fmt.Errorf("is of version %s of the format: 1, 2 and 3 are known", printable.Quote(strings.Trim(string(version), `"`)))
	}
	return nil
}

// jsonSig is a signature as NAME:BASE64, or as the object of keyName and sig of version 3.
type jsonSig string

func (s *jsonSig) UnmarshalJSON(b []byte) error {
	if !bytes.HasPrefix(b, []byte("{")) {
		return partJSON("signature", b, (*string)(s))
	}
	var parts struct {
		KeyName string `json:"keyName"`
		Sig     string `json:"sig"`
	}
	if err := partJSON("signature", b, &parts); err != nil {
		return err
	}
	*s = jsonSig(parts.KeyName + ":" + parts.Sig)
	return nil
}

// jsonHash is a hash in any spelling of [ParseHash], or as the object of algorithm,
// format and hash that newer versions of Nix can write.
type jsonHash string

func (h *jsonHash) UnmarshalJSON(b []byte) error {
	if !bytes.HasPrefix(b, []byte("{")) {
		return partJSON("hash", b, (*string)(h))
	}
	var parts struct {
		Algorithm string `json:"algorithm"`
		Hash      string `json:"hash"`
	}
	if err := partJSON("hash", b, &parts); err != nil {
		return err
	}
	*h = jsonHash(parts.Algorithm + ":" + parts.Hash)
	return nil
}

// jsonCA is a content address as databases hold it, or as the object of method and
// hash that newer versions of Nix write. wrong is what the object is not; where it stands is
// for others to say.
type jsonCA struct {
	text  string
	wrong error
}

func (c *jsonCA) UnmarshalJSON(b []byte) error {
	if !bytes.HasPrefix(b, []byte("{")) {
		return partJSON("content address", b, &c.text)
	}
	var parts struct {
		Method string   `json:"method"`
		Hash   jsonHash `json:"hash"`
	}
	if err := partJSON("content address", b, &parts); err != nil {
		return err
	}
	ca, err := newCA(parts.Method, string(parts.Hash))
	if c.wrong = err; err == nil {
		c.text = ca.String()
	}
	return nil
}

// ReadPathInfo reads what nix path-info --json --recursive prints: a list of objects
// up to Nix 2.18, one object with the paths as keys from 2.19 on, and that within a
// further object where --json-format asks for it, in its versions 1 to 3. It reads the
// structured attributes of a build, .attrs.json, as well: the graphs that
// exportReferencesGraph put there. Another store's paths are refused.
func (f Flavour) ReadPathInfo(name string, r io.Reader) ([]*Item, error) {
	b, err := readJSON(r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	infos, err := f.parsePathInfo(b)
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

// readJSON reads all of an object or a list. What does not begin like one, and may have
// no end, is refused at once.
func readJSON(r io.Reader) ([]byte, error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	if err := checkEncoding(head[:n]); err != nil {
		return nil, err
	}
	if text := bytes.TrimLeft(head[:n], " \t\r\n"); len(text) > 0 && text[0] != '[' && text[0] != '{' {
		return nil, fmt.Errorf("begins with %q, where an object or a list of JSON belongs", text[:1])
	}
	rest, err := io.ReadAll(r)
	return append(head[:n], rest...), err
}

func (f Flavour) parsePathInfo(b []byte) (infos []*pathInfo, err error) {
	if bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("[")) {
		err = json.Unmarshal(b, &infos)
		return infos, err
	}
	var around struct {
		Graphs map[string]json.RawMessage `json:"exportReferencesGraph"`
		Info   json.RawMessage            `json:"info"`
	}
	if err := json.Unmarshal(b, &around); err != nil {
		return nil, err
	}
	if around.Graphs != nil { // whatever else a derivation has an attribute for
		return parseAttributes(b, slices.Sorted(maps.Keys(around.Graphs)))
	}
	var keyed map[string]*pathInfo
	if around.Info != nil {
		var in struct {
			Info     map[string]*pathInfo `json:"info"`
			StoreDir *string              `json:"storeDir"`
			Version  json.RawMessage      `json:"version"`
		}
		err = json.Unmarshal(b, &in)
		if err == nil {
			err = f.checkFormat(in.StoreDir, in.Version)
		}
		keyed = in.Info
	} else {
		err = json.Unmarshal(b, &keyed)
	}
	if err != nil {
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

// parseAttributes reads graphs out of structured attributes.
func parseAttributes(b []byte, graphs []string) ([]*pathInfo, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, err
	}
	var infos []*pathInfo
	for _, name := range graphs {
		if all[name] == nil {
			return nil, fmt.Errorf("the graph %s of exportReferencesGraph is missing", printable.Quote(name))
		}
		var graph []*pathInfo
		if err := partJSON("graph "+printable.Quote(name), all[name], &graph); err != nil {
			return nil, err
		}
		infos = append(infos, graph...)
	}
	return infos, nil
}

func (f Flavour) itemOf(name string, info *pathInfo) (*Item, error) {
	if info == nil {
		return nil, errors.New("null stands where a path was expected")
	}
	it := &Item{
		Path: f.fullPath(info.Path), NarSize: info.NarSize, References: f.full(info.References), Deriver: f.fullPath(info.Deriver),
		Ultimate: info.Ultimate, CA: info.CA.text, Origin: Origin{File: name},
	}
	if err := f.checkFormat(info.StoreDir, info.Version); err != nil {
		return nil, fmt.Errorf("%s: %w", printable.Quote(info.Path), err)
	}
	if err := f.CheckPath(it.Path); err != nil {
		return nil, err
	}
	if info.Valid != nil && !*info.Valid {
		return nil, fmt.Errorf("%s is not a valid path of the store that it was read from", it.Path)
	}
	if it.NarSize < 0 {
		return nil, fmt.Errorf("%s: size %d is negative", it.Path, it.NarSize)
	}
	if it.NarSize > maxNARSize {
		return nil, fmt.Errorf("%s: size is %d bytes: %d at most are expected", it.Path, it.NarSize, int64(maxNARSize))
	}
	for _, ref := range it.References {
		if err := f.CheckPath(ref); err != nil {
			return nil, fmt.Errorf("%s: reference: %w", it.Path, err)
		}
	}
	if it.Deriver != "" {
		if err := f.checkDeriver(it.Deriver); err != nil {
			return nil, fmt.Errorf("%s: %w", it.Path, err)
		}
	}
	var err error
	if info.NarHash != "" {
		if it.NarHash, err = ParseHash(string(info.NarHash)); err != nil {
			return nil, fmt.Errorf("%s: %w", it.Path, err)
		}
	}
	for _, s := range info.Signatures {
		it.Sigs = append(it.Sigs, string(s))
	}
	it.settleSigs()
	if err := cmp.Or(info.CA.wrong, it.settleCA(f)); err != nil {
		return nil, fmt.Errorf("%s: %w", it.Path, err)
	}
	return it, nil
}

// full returns references with the store directory, which some versions leave out.
func (f Flavour) full(references []string) []string {
	for i, ref := range references {
		references[i] = f.fullPath(ref)
	}
	return sortedSet(references)
}

func (f Flavour) fullPath(path string) string {
	if path == "" || strings.HasPrefix(path, "/") {
		return path
	}
	return f.StoreDir() + "/" + path
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
		err = plainJSON(err)
	}
	if offset < 0 || offset > int64(len(b)) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s:%d: %w", name, 1+bytes.Count(b[:offset], []byte("\n")), err)
}

// plainJSON says without words of Go what stands in JSON where something else belongs.
func plainJSON(err error) error {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return err
	}
	err = fmt.Errorf("%s does not belong here", grammar.A(printable.Cut(kind.Value, 60)))
	if kind.Field != "" {
		err = fmt.Errorf("%s: %w", printable.Quote(kind.Field), err)
	}
	return err
}

// partJSON reads a value within another one, and says in errors what it is. It does not say
// where: the offsets of JSON's own errors would be those in this part.
func partJSON(what string, b []byte, v any) error {
	if err := plainJSON(json.Unmarshal(b, v)); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
