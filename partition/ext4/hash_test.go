package ext4

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"ingot/tests/fstest"
)

// TestHalfMD4 asks debugfs for the hashes of names of all lengths.
func TestHalfMD4(t *testing.T) {
	debugfs := fstest.Judge(t, "debugfs", "e2fsprogs")
	seed := uuid.MustParse("a5f2b6ba-82e0-52d1-ba06-e86775efeecb")
	var words [4]uint32
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(seed[4*i:])
	}
	random := rand.New(rand.NewPCG(1, 2))
	var script, want strings.Builder
	for n := 1; n <= 255; n++ {
		name := make([]byte, n)
		for i := range name {
			name[i] = byte('0' + random.IntN('z'-'0'))
			if n%2 == 0 {
				name[i] = byte(0x80 + random.IntN(0x7F))
			}
		}
		text := strings.NewReplacer("\\", "_", "\"", "_", "`", "_").Replace(string(name))
		major, minor := halfMD4(text, words)
		fmt.Fprintf(&script, "dx_hash -h half_md4 -s %s \"%s\"\n", seed, text)
		fmt.Fprintf(&want, "Hash of %s is 0x%x (minor 0x%x)\n", text, major, minor)
	}
	commands := filepath.Join(t.TempDir(), "commands")
	if err := os.WriteFile(commands, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(debugfs, "-f", commands).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "Hash of ") {
			got.WriteString(line)
		}
	}
	if got.String() != want.String() {
		g, w := strings.Split(got.String(), "\n"), strings.Split(want.String(), "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Fatalf("halfMD4: %q; debugfs says %q", w[i], g[i])
			}
		}
		t.Fatalf("debugfs hashed %d names; want %d", len(g), len(w))
	}
}
