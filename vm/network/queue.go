package network

import (
	"bytes"
	"io"
	"slices"
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
	ready   []byte        // frames with their lengths, due
	delayed []waiting     // in the order in which they are due
	held    int           // bytes in delayed
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

// put queues a frame, its length before it, and reports whether there was room.
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
	due := time.Now().Add(delay)
	at, _ := slices.BinarySearchFunc(q.delayed, due, func(w waiting, due time.Time) int {
		if w.due.After(due) {
			return 1
		}
		return -1 // behind those of the same time
	})
	q.delayed = slices.Insert(q.delayed, at, waiting{due, bytes.Clone(raw)})
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
		raw := q.delayed[0].raw
		q.delayed = q.delayed[1:]
		q.held -= len(raw)
		q.ready = append(q.ready, raw...)
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
	due time.Time
	raw []byte
}
