package lanes

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// TestKnown are the examples of FIPS 180-4 that NIST gives.
func TestKnown(t *testing.T) {
	g := NewGroup()
	g.Join()
	defer g.Leave()
	for in, want := range map[string]string{
		"":    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
		string(bytes.Repeat([]byte("a"), 1e6)):                     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
	} {
		h := g.New()
		h.Write([]byte(in))
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("SHA-256 of %d bytes is %s; want %s", len(in), got, want)
		}
	}
}

// TestRandom has many goroutines hash streams of all lengths, in parts of all lengths, by
// groups of several sizes, and holds them against crypto/sha256. Groups have fewer and
// more members than lanes; some leave early.
func TestRandom(t *testing.T) {
	if !wide {
		t.Log("this processor hashes one stream at a time; crypto/sha256 is held against itself")
	}
	for _, members := range []int{1, 2, 7, 8, 15, 16, 17, 40} {
		g := NewGroup()
		var all sync.WaitGroup
		for m := range members {
			g.Join()
			all.Go(func() {
				defer g.Leave()
				r := rand.New(rand.NewPCG(uint64(members), uint64(m)))
				h := g.New()
				for range r.IntN(40) {
					data := make([]byte, r.IntN(1<<r.IntN(19)))
					for i := range data {
						data[i] = byte(r.Uint32())
					}
					want := sha256.Sum256(data)
					h.Reset()
					for p := data; len(p) > 0; {
						n := min(len(p), 1+r.IntN(1<<r.IntN(19)))
						h.Write(p[:n])
						p = p[n:]
						h.Sum(nil) // changes nothing
					}
					if got := h.Sum(nil); !bytes.Equal(got, want[:]) {
						t.Errorf("member %d of %d: SHA-256 of %d bytes is %x; want %x", m, members, len(data), got, want)
					}
				}
			})
		}
		all.Wait()
		if g.members != 0 || g.waiting != 0 || g.leaders != 0 || len(g.queue) != 0 {
			t.Errorf("after %d members: %+v", members, g)
		}
	}
}

func BenchmarkGroup(b *testing.B) {
	for _, size := range []int{2 << 10, 23 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			g := NewGroup()
			var all sync.WaitGroup
			b.SetBytes(int64(size) * int64(g.Workers()))
			for range g.Workers() {
				g.Join()
				all.Go(func() {
					defer g.Leave()
					p, h := make([]byte, size), g.New()
					for range b.N {
						h.Reset()
						h.Write(p)
						h.Sum(nil)
					}
				})
			}
			all.Wait()
		})
	}
}
