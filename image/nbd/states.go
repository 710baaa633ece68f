package nbd

import "iter"

// state says where the bytes of a block come from.
type state byte

const (
	untouched state = iota // the disk below
	written                // the overlay's file
	zeroed                 // they are zeros
)

// states holds the states of all blocks, in pages that are made at the first change: a
// terabyte without a write costs nothing.
type states struct {
	pages   map[int64]*statePage
	changed map[int64]bool // pages, since the last flush
}

func newStates() states { return states{map[int64]*statePage{}, map[int64]bool{}} }

// statePage is the states of 4096 blocks, which are 16 MiB of the disk.
type statePage [pageBlocks]state

const pageBlocks = 4096

func (s *states) get(block int64) state {
	if p := s.pages[block/pageBlocks]; p != nil {
		return p[block%pageBlocks]
	}
	return untouched
}

// set sets the states of the blocks [first, last).
func (s *states) set(first, last int64, to state) {
	for block := first; block < last; {
		p := s.pages[block/pageBlocks]
		if p == nil {
			p = new(statePage)
			s.pages[block/pageBlocks] = p
		}
		s.changed[block/pageBlocks] = true
		end := min(last, (block/pageBlocks+1)*pageBlocks)
		for ; block < end; block++ {
			p[block%pageBlocks] = to
		}
	}
}

// span is a range of bytes of one state.
type span struct {
	off, n int64
	state  state
}

// spans yields the n bytes at off as spans of differing states.
func (s *states) spans(off, n int64) iter.Seq[span] {
	return func(yield func(span) bool) {
		end := off + n
		for off < end {
			at := s.get(off / overlayBlock)
			to := s.endOf(off/overlayBlock, roundUp(end)/overlayBlock, at) * overlayBlock
			to = min(to, end)
			if !yield(span{off, to - off, at}) {
				return
			}
			off = to
		}
	}
}

// endOf returns the first block from block on that has another state, or last.
func (s *states) endOf(block, last int64, of state) int64 {
	for block < last {
		p := s.pages[block/pageBlocks]
		end := min(last, (block/pageBlocks+1)*pageBlocks)
		if p == nil {
			if of != untouched {
				return block
			}
			block = end
			continue
		}
		for ; block < end; block++ {
			if p[block%pageBlocks] != of {
				return block
			}
		}
	}
	return last
}
