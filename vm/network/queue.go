package network

import (
	"container/heap"
	"io"
	"sync"
	"time"
)

const (
	// maxQueued is how many bytes may wait for a guest that is busy.
	maxQueued = 1 << 20
	// patience is how long others wait for such a guest before frames to it are
	// dropped: one that has crashed must not hold up the network.
	patience = 200 * time.Millisecond
)

// queue is what waits to be written to a port. Frames wait there together and leave
// in one system call.
type queue struct {
	mu      sync.Mutex
	ready   []byte // frames with their lengths, due
	delayed delayed
	held    int           // bytes in delayed
	number  uint64        // of frames that were delayed, so that equal times keep their order
	stuck   bool          // nobody waits any more until it has been written out
	drained chan struct{} // closed when ready was taken away; nil while nobody waits
	wake    chan struct{} // something was queued
	ended   chan struct{} // closed by end
	once    sync.Once
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1), ended: make(chan struct{})}
}

func (q *queue) end() { q.once.Do(func() { close(q.ended) }) }

// put queues a frame, its length before it, and says whether there was room.
func (q *queue) put(raw []byte, delay time.Duration) bool {
	q.mu.Lock()
	if delay > 0 {
		defer q.mu.Unlock()
		return q.putDelayed(raw, delay)
	}
	if !q.wait(len(raw)) {
		q.mu.Unlock()
		return false
	}
	first := len(q.ready) == 0
	q.ready = append(q.ready, raw...)
	q.mu.Unlock()
	if first {
		q.signal()
	}
	return true
}

// wait waits until n bytes have room. The lock is held before and after.
func (q *queue) wait(n int) bool {
	if len(q.ready)+n <= maxQueued {
		return true
	}
	if q.stuck {
		return false
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for len(q.ready)+n > maxQueued {
		if q.drained == nil {
			q.drained = make(chan struct{})
		}
		drained := q.drained
		q.mu.Unlock()
		select {
		case <-drained:
			q.mu.Lock()
		case <-q.ended:
			q.mu.Lock()
			return false
		case <-timer.C:
			q.mu.Lock()
			q.stuck = len(q.ready)+n > maxQueued
			return !q.stuck
		}
	}
	return true
}

func (q *queue) putDelayed(raw []byte, delay time.Duration) bool {
	// A slow link holds more than a busy guest: a second's worth of a quick one.
	if q.held+len(raw) > 64*maxQueued {
		return false
	}
	q.held += len(raw)
	q.number++
	heap.Push(&q.delayed, waiting{time.Now().Add(delay), q.number, append([]byte(nil), raw...)})
	q.signal()
	return true
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take exchanges what is due for an empty buffer. If nothing is, next is how long
// until then, or 0 for ever.
func (q *queue) take(empty []byte) (due []byte, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	for len(q.delayed) > 0 && len(q.ready) < maxQueued {
		if wait := q.delayed[0].due.Sub(now); wait > 0 {
			next = wait
			break
		}
		w := heap.Pop(&q.delayed).(waiting)
		q.held -= len(w.raw)
		q.ready = append(q.ready, w.raw...)
	}
	due, q.ready, q.stuck = q.ready, empty[:0], false
	if q.drained != nil {
		close(q.drained)
		q.drained = nil
	}
	return due, next
}

// drain writes what is due until the queue ends or the writer fails.
func (q *queue) drain(w io.Writer) error {
	var spare []byte
	for {
		due, next := q.take(spare)
		spare = due
		if len(due) > 0 {
			if _, err := w.Write(due); err != nil {
				return err
			}
			continue
		}
		if !q.sleep(next) {
			return nil
		}
	}
}

// sleep waits for something to write, and says false when the queue has ended.
func (q *queue) sleep(next time.Duration) bool {
	var timer <-chan time.Time
	if next > 0 {
		t := time.NewTimer(next)
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-q.wake:
	case <-timer:
	case <-q.ended:
		return false
	}
	return true
}

// waiting is a frame on a slow link.
type waiting struct {
	due    time.Time
	number uint64
	raw    []byte
}

// delayed is a heap of frames, the one that is due first on top.
type delayed []waiting

func (d delayed) Len() int { return len(d) }
func (d delayed) Less(i, j int) bool {
	if d[i].due.Equal(d[j].due) {
		return d[i].number < d[j].number
	}
	return d[i].due.Before(d[j].due)
}
func (d delayed) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *delayed) Push(x any)   { *d = append(*d, x.(waiting)) }
func (d *delayed) Pop() any {
	old := *d
	w := old[len(old)-1]
	old[len(old)-1] = waiting{}
	*d = old[:len(old)-1]
	return w
}
