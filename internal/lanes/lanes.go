// Package lanes computes the SHA-256 of many things at a time.
//
// The instructions that processors have for SHA-256 wait for one another: a core hashes
// one stream at 1.45 GB/s, and is half idle. Sixteen streams side by side in the
// registers of AVX-512 make 3.0 GB/s on the same core. A closure is tens of thousands of
// files, so that there is always something to put side by side.
//
// A [Group] joins what several goroutines hash. Each works as it would alone, with a
// [hash.Hash] of its own; where many bytes are to be hashed it waits for others, and one
// of them does the work for all. Where the processor has no AVX-512, or the program was
// built without cgo, crypto/sha256 works, and nobody waits.
//
// Libraries take one stream (crypto/sha256), or lead all through one goroutine, and so
// one core (minio/sha256-simd).
package lanes

import (
	"runtime"
	"sync"
)

const (
	// width is how many streams are hashed side by side.
	width = 16
	// worthwhile is from how many streams on that is faster than one after the other: a
	// step takes as long for one as for sixteen.
	worthwhile = 8
	// full is from how many streams on a leader goes on while others are about to come with
	// more.
	full = 14
	// most is for how many processors streams are put side by side: each takes width
	// workers with their buffers, and eight hash faster than anything is read.
	most = 8
	// small is what is hashed on the spot: to wait for others takes about as long.
	small = 1 << 10
)

// A Group hashes for the goroutines that have joined it. They wait for one another in
// it, and so must not do so outside of it: a goroutine must not hash with a lock, if others
// need it before they hash.
type Group struct {
	procs int

	mu      sync.Mutex
	queue   []*request // in want of a leader; at most width
	members int        // goroutines that have joined
	waiting int        // of these, those that have asked and were not served yet
	leaders int        // goroutines that hash for others
}

// request is bytes that wait to be hashed.
type request struct {
	state *[8]uint32
	p     []byte        // whole blocks; what is left of them when the request returns is its owner's work
	done  chan struct{} // with room for one
}

// NewGroup returns a group for goroutines that have GOMAXPROCS processors.
func NewGroup() *Group {
	procs := runtime.GOMAXPROCS(0)
	if wide {
		procs = min(procs, most)
	}
	return &Group{procs: procs}
}

// Workers is how many goroutines keep the processors busy with hashing: where streams
// are put side by side, many more than there are processors, for most wait.
func (g *Group) Workers() int {
	if wide {
		return g.procs * width
	}
	return g.procs
}

// Join is called by a goroutine before it hashes.
func (g *Group) Join() {
	g.mu.Lock()
	g.members++
	g.mu.Unlock()
}

// Leave is called by a goroutine that has joined, when it hashes no more. Without it,
// others would wait for ever.
func (g *Group) Leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members--
	if len(g.queue) > 0 && g.idle() {
		g.lead(nil)
	}
}

// idle reports whether a processor had nothing to do if the queue went on waiting. It is
// called with mu held, as is lead.
func (g *Group) idle() bool { return g.members-g.waiting+g.leaders < g.procs }

// hash serves a request of a member.
func (g *Group) hash(r *request) {
	if len(r.p) > small {
		g.share(r)
	}
	sequential(r.state, r.p)
}

// share hashes, together with what others have, as much of r as is worthwhile.
func (g *Group) share(r *request) {
	g.mu.Lock()
	g.queue = append(g.queue, r)
	g.waiting++
	served := false
	if len(g.queue) == width || g.idle() {
		served = g.lead(r)
	}
	g.mu.Unlock()
	if !served {
		<-r.done
	}
}

// lead hashes what is in the queue, and what comes into it meanwhile, as long as that is
// enough. The rest goes back to the queue, or, where a processor were idle then, to those
// their owners. own is the caller's own request, and served whether that is over.
func (g *Group) lead(own *request) (served bool) {
	g.leaders++
	var b batch
	for g.fill(&b); b.n >= g.least(); g.fill(&b) {
		g.mu.Unlock()
		b.step()
		g.mu.Lock()
		for i, r := range b.lanes {
			if r != nil && len(r.p) == 0 {
				b.remove(i)
				served = g.serve(r, own) || served
			}
		}
	}
	g.leaders--
	idle := g.idle()
	for i, r := range b.lanes {
		if r == nil {
			continue
		}
		b.remove(i)
		if idle {
			served = g.serve(r, own) || served
		} else {
			g.queue = append(g.queue, r)
		}
	}
	return served
}

// least is with how many streams a leader goes on.
func (g *Group) least() int {
	if g.members-g.waiting+g.leaders-1 < g.procs {
		return worthwhile
	}
	return full
}

// serve tells a request's owner that it is over, and reports whether that is the caller.
func (g *Group) serve(r, own *request) bool {
	g.waiting--
	if r != own {
		r.done <- struct{}{}
	}
	return r == own
}

// fill moves requests from the queue to lanes that are free.
func (g *Group) fill(b *batch) {
	n := min(len(g.queue), width-b.n)
	for _, r := range g.queue[:n] {
		b.add(r)
	}
	g.queue = append(g.queue[:0], g.queue[n:]...)
}

// batch is what one goroutine hashes at a time.
type batch struct {
	n      int // lanes that are taken
	lanes  [width]*request
	states [8][width]uint32 // of the lanes, word by word
}

func (b *batch) add(r *request) {
	i := 0
	for b.lanes[i] != nil {
		i++
	}
	b.lanes[i] = r
	b.n++
	for k, word := range r.state {
		b.states[k][i] = word
	}
}

func (b *batch) remove(i int) {
	r := b.lanes[i]
	b.lanes[i] = nil
	b.n--
	for k := range r.state {
		r.state[k] = b.states[k][i]
	}
}

// step hashes as many blocks of each lane as the one with the fewest has.
func (b *batch) step() {
	var p [width]*byte
	var some *byte
	n := 0
	for i, r := range b.lanes {
		if r == nil {
			continue
		}
		p[i], some = &r.p[0], &r.p[0]
		if n == 0 || len(r.p) < n {
			n = len(r.p)
		}
	}
	for i := range p {
		if p[i] == nil {
			p[i] = some // whatever comes of it, nobody asks
		}
	}
	parallel(&b.states, &p, n/blockSize)
	for _, r := range b.lanes {
		if r != nil {
			r.p = r.p[n:]
		}
	}
}
