package storedb

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

// A write-ahead log holds pages that were written since the last checkpoint: a
// header, and frames of a header and a page (https://sqlite.org/fileformat2.html,
// section 4.1). All numbers are big-endian.
const (
	walMagic      = 0x377f0682 // at 0; with the lowest bit set, checksums are of big-endian words
	walPageSize   = 8
	walSalt       = 16 // 8 bytes, which frames repeat
	walChecksum   = 24 // 8 bytes, of what is before
	walHeaderSize = 32

	framePage       = 0  // number of the page, from 1
	framePages      = 4  // of a commit: how many pages the database then has; else 0
	frameSalt       = 8  // 8 bytes
	frameChecksum   = 16 // 8 bytes, of the log up to here, this header's first 8 bytes and the page
	frameHeaderSize = 24
)

// replayLog returns the database db as it is with all transactions that the log wal
// holds whole, and may change db. As SQLite does, it ends at the first frame that does
// not fit: the log is written over from its start, and old frames follow the new ones.
func replayLog(ctx context.Context, db, wal []byte) ([]byte, error) {
	get := binary.BigEndian.Uint32
	if len(wal) < walHeaderSize {
		return db, nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if get(wal)&1 != 0 {
		order = binary.BigEndian
	}
	var sum walSum
	sum.add(order, wal[:walChecksum])
	if get(wal)&^1 != walMagic || !sum.is(wal[walChecksum:]) {
		return db, nil
	}
	size := int(get(wal[walPageSize:]))
	if size < 512 || size > 65536 || size&(size-1) != 0 {
		return nil, fmt.Errorf("its pages have %d bytes; 512 to 65536, a power of two, were expected", size)
	}
	var pages []walPage // since the last commit
	for rest := wal[walHeaderSize:]; len(rest) >= frameHeaderSize+size; rest = rest[frameHeaderSize+size:] {
		page := rest[frameHeaderSize:][:size]
		sum.add(order, rest[:frameSalt])
		sum.add(order, page)
		number := get(rest[framePage:])
		if [8]byte(rest[frameSalt:]) != [8]byte(wal[walSalt:]) || !sum.is(rest[frameChecksum:]) || number == 0 {
			break
		}
		pages = append(pages, walPage{int(number), page})
		if count := int(get(rest[framePages:])); count > 0 {
			db = commitPages(db, pages, count, size)
			pages = pages[:0]
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	return db, nil
}

// walPage is a page of a log: its number, from 1, and what it holds.
type walPage struct {
	number int
	data   []byte
}

// commitPages puts pages into db, which has count of them afterwards. A page that
// is neither in the database nor in the log stays zero, so that a database cannot be
// made larger than it and its log. The work is that of the pages, however many the
// database has: a log can have a transaction for each.
func commitPages(db []byte, pages []walPage, count, size int) []byte {
	have := len(db) / size
	most := have
	for _, p := range pages {
		most = max(most, min(p.number, have+len(pages)))
	}
	before, after := len(db), min(count, most)*size
	db = slices.Grow(db, max(0, after-before))[:after]
	if after > before {
		clear(db[before:])
	}
	for _, p := range pages {
		if at := (p.number - 1) * size; at < len(db) {
			copy(db[at:], p.data)
		}
	}
	return db
}

// walSum is the checksum of a log: two sums of 32-bit words that feed each other.
type walSum [2]uint32

func (s *walSum) add(order binary.ByteOrder, p []byte) {
	for ; len(p) >= 8; p = p[8:] {
		s[0] += order.Uint32(p) + s[1]
		s[1] += order.Uint32(p[4:]) + s[0]
	}
}

func (s *walSum) is(p []byte) bool {
	return s[0] == binary.BigEndian.Uint32(p) && s[1] == binary.BigEndian.Uint32(p[4:])
}
