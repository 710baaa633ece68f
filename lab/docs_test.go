package lab

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"ingot/vm/network"
)

// TestKeysAreDocumented looks for every key of the file in docs/networks.md, and for
// what the documentation calls one.
func TestKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/networks.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(row[1], -1) {
			told[name[1]] = true
		}
	}
	for _, of := range []any{File{}, network.Machine{}} {
		for i := range reflect.TypeOf(of).NumField() {
			key, _, _ := strings.Cut(reflect.TypeOf(of).Field(i).Tag.Get("json"), ",")
			if !told[key] {
				t.Errorf("docs/networks.md says nothing of the key %s", key)
			}
			delete(told, key)
		}
	}
	for key := range told {
		t.Errorf("docs/networks.md tells of a key %s, and there is none", key)
	}
}
