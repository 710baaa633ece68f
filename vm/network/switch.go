package network

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// A Switch joins the stations of one network, as an Ethernet switch does: a frame
// goes to the port behind which its destination was seen last, and to all others where
// that is not known or the frame is for many. It speaks QEMU's framing.
type Switch struct {
	links   *Links
	capture func(frame []byte) // told of every frame that a station sends

	mu    sync.RWMutex
	ports []*Port
	table map[MAC]*Port
}

// NewSwitch returns a switch without ports. All switches of machines that know each
// other share their links.
func NewSwitch(links *Links) *Switch { return &Switch{links: links, table: map[MAC]*Port{}} }

// maxTable is how many addresses a switch remembers. A guest that makes them up makes
// it forget all, and flood until it has learned again, as switches of metal do.
const maxTable = 4096

// Counters count what passed a port, or did not.
type Counters struct {
	FramesIn  uint64 `json:"framesIn"` // from the station
	BytesIn   uint64 `json:"bytesIn"`
	FramesOut uint64 `json:"framesOut"` // to the station
	BytesOut  uint64 `json:"bytesOut"`
	Lost      uint64 `json:"lost"`    // on their way to the station, by a link that is down or loses
	Dropped   uint64 `json:"dropped"` // because the station did not take them
}

type counters struct{ framesIn, bytesIn, framesOut, bytesOut, lost, dropped atomic.Uint64 }

// A Port is where a station is plugged in.
type Port struct {
	Station string

	sw    *Switch
	conn  io.ReadWriteCloser
	queue *queue
	done  chan struct{}
	err   error
	count counters
}

// Connect plugs a station in. The other end of conn, which the port takes over, speaks
// QEMU's framing. The port is there until that end closes, or Close is called.
func (s *Switch) Connect(station string, conn io.ReadWriteCloser) *Port {
	p := &Port{Station: station, sw: s, conn: conn, queue: newQueue(), done: make(chan struct{})}
	s.mu.Lock()
	s.ports = append(s.ports, p)
	s.mu.Unlock()
	go p.run()
	return p
}

// Ports returns the ports in the order in which they were connected.
func (s *Switch) Ports() []*Port {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.ports)
}

// Close unplugs all stations.
func (s *Switch) Close() {
	for _, p := range s.Ports() {
		p.Close()
	}
}

// Close unplugs the station and waits until nothing of it is left.
func (p *Port) Close() {
	p.conn.Close()
	<-p.done
}

// Wait waits until the station is gone and says why, if it did not just leave.
func (p *Port) Wait() error {
	<-p.done
	return p.err
}

// Counters returns what passed so far.
func (p *Port) Counters() Counters {
	c := &p.count
	return Counters{
		FramesIn: c.framesIn.Load(), BytesIn: c.bytesIn.Load(), FramesOut: c.framesOut.Load(), BytesOut: c.bytesOut.Load(),
		Lost: c.lost.Load(), Dropped: c.dropped.Load(),
	}
}

func (p *Port) run() {
	written := make(chan error, 1)
	go func() {
		err := p.queue.drain(p.conn)
		p.conn.Close() // so that reading ends, too
		written <- err
	}()
	err := p.read()
	p.queue.end()
	p.conn.Close()
	werr := <-written
	p.sw.remove(p)
	if gone(err) {
		err = werr
	}
	if !gone(err) {
		p.err = fmt.Errorf("network: %s: %w", p.Station, err)
	}
	close(p.done)
}

// gone reports whether an error is the end of a connection and nothing worse. A guest may
// end in the middle of a frame.
func gone(err error) bool {
	ends := []error{nil, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, os.ErrClosed, syscall.EPIPE, syscall.ECONNRESET}
	return slices.ContainsFunc(ends, func(end error) bool { return errors.Is(err, end) })
}

func (s *Switch) remove(p *Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ports = slices.DeleteFunc(slices.Clone(s.ports), func(other *Port) bool { return other == p })
	maps.DeleteFunc(s.table, func(_ MAC, at *Port) bool { return at == p })
}

// read passes on what the station sends until its end.
func (p *Port) read() error {
	r := NewReader(p.conn)
	for {
		raw, err := readRaw(r)
		if err != nil {
			return err
		}
		frame := raw[frameHeader:]
		if len(frame) < minFrame {
			continue
		}
		p.count.framesIn.Add(1)
		p.count.bytesIn.Add(uint64(len(frame)))
		if p.sw.capture != nil {
			p.sw.capture(frame)
		}
		p.forward(sender(frame), destination(frame), raw)
	}
}

func (s *Switch) learn(mac MAC, p *Port) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.table) >= maxTable {
		clear(s.table)
	}
	s.table[mac] = p
}

// forward sends a frame to where it belongs.
func (p *Port) forward(from, to MAC, raw []byte) {
	s := p.sw
	s.mu.RLock()
	known, target, ports := s.table[from], s.table[to], s.ports // the slice is replaced, not changed, when a port goes
	s.mu.RUnlock()
	if known != p && !from.isGroup() {
		s.learn(from, p)
	}
	if target != nil && !to.isGroup() {
		if target != p {
			target.send(p, raw)
		}
		return
	}
	for _, other := range ports {
		if other != p {
			other.send(p, raw)
		}
	}
}

// send queues a frame that another port has got.
func (p *Port) send(from *Port, raw []byte) {
	delay, passes := p.sw.links.pass(from.Station, p.Station)
	switch {
	case !passes:
		p.count.lost.Add(1)
	case !p.queue.put(raw, delay):
		p.count.dropped.Add(1)
	default:
		p.count.framesOut.Add(1)
		p.count.bytesOut.Add(uint64(len(raw) - frameHeader))
	}
}
