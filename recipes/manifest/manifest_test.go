package manifest

import (
	"crypto/sha256"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// TestText reads a manifest back, and finds nothing in it of what an image has not.
func TestText(t *testing.T) {
	m := Manifest{Ingot: "1", Recipe: "web", Format: "netboot", Files: []File{{"kernel", RangeOf(3, sha256.Sum256([]byte("abc")))}}}
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	var got Manifest
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("read back: %+v, %v; want %+v", got, err, m)
	}
	const digest = `"digest": "sha256-1MiB:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`
	for _, want := range []string{digest, `"size": 3`, "}\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the manifest lacks %s:\n%s", want, text)
		}
	}
	for _, other := range []string{`"disk"`, `"helper"`, `"partitions"`, `"notReproducible"`} {
		if strings.Contains(string(text), other) {
			t.Errorf("the manifest of a folder has %s:\n%s", other, text)
		}
	}
}

func TestPath(t *testing.T) {
	if got, want := Path("a/web.img"), "a/web.img.manifest.json"; got != want {
		t.Errorf("Path = %s; want %s", got, want)
	}
}
