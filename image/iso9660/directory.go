package iso9660

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// packer makes the bytes of directories, one after the other in the same memory.
type packer struct {
	*hierarchy
	entries
	dir, area []byte
	at        *directory
	areaBlock uint32 // where the continuation areas begin
}

// pack makes the bytes of a directory and of the continuation areas behind it. It runs
// twice: first for the lengths, which depend on no place, and again when everything has its
// place. The results are valid until the next call.
func (p *packer) pack(d *directory) (dir, area []byte) {
	p.dir, p.area, p.at = p.dir[:0], p.area[:0], d
	p.areaBlock = d.block + uint32(d.size/blockSize)
	p.self(d)
	p.parent(d)
	for i := range d.records {
		r := &d.records[i]
		if r.isDirectory() {
			p.subdirectory(r)
		} else {
			p.file(r)
		}
	}
	return padded(p.dir), padded(p.area)
}

// pack calls done with the bytes of each directory and of its continuation areas, from
// several goroutines: making them is half of the work of a layout.
func (h *hierarchy) pack(done func(i int, dir, area []byte)) {
	spread(len(h.dirs), func() func(int) {
		p := &packer{hierarchy: h}
		return func(i int) {
			dir, area := p.pack(h.dirs[i])
			done(i, dir, area)
		}
	})
}

// spread calls a function with each number below n, from several goroutines. Each goroutine
// has a function of its own, which worker returns.
func spread(n int, worker func() func(i int)) {
	const batch = 256
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n/batch+1) {
		wg.Go(func() {
			do := worker()
			for {
				from := int(next.Add(batch)) - batch
				if from >= n {
					return
				}
				for i := from; i < min(from+batch, n); i++ {
					do(i)
				}
			}
		})
	}
	wg.Wait()
}

func padded(b []byte) []byte {
	if rest := len(b) % blockSize; rest > 0 {
		b = append(b, make([]byte, blockSize-rest)...)
	}
	return b
}

// self is the record of the directory itself, whose identifier is a zero byte.
func (p *packer) self(d *directory) {
	p.reset()
	if p.rockRidge {
		if d == p.root {
			p.sharing()
		}
		p.attributes(d.Node, d.links, d.serial)
		if d == p.root {
			p.extension()
		}
	}
	p.add(d.record(), "\x00")
}

// parent is the record of the directory above it; with Rock Ridge, above it in the Tree.
func (p *packer) parent(d *directory) {
	p.reset()
	if p.rockRidge {
		p.attributes(d.parent.Node, d.parent.links, d.parent.serial)
		if d.at != d.parent {
			p.location("PL", d.parent.block)
		}
	}
	p.add(d.at.record(), "\x01")
}

// record is the fixed part of a directory's records.
func (d *directory) record() directoryRecord {
	return directoryRecord{block: d.block, size: uint32(d.size), date: newRecordDate(d.Mtime), flags: flagDirectory}
}

func (p *packer) subdirectory(r *record) {
	p.reset()
	if p.rockRidge {
		p.attributes(r.dir.Node, r.dir.links, r.dir.serial)
		p.name(r.name)
		if p.isMoved(r.dir) {
			p.relocated()
		}
	}
	p.add(r.dir.record(), r.id)
}

// file adds the records of a file, one for each section, or the placeholder of a moved
// directory.
func (p *packer) file(r *record) {
	p.reset()
	if p.rockRidge {
		p.rockRidgeFile(r)
	}
	id := r.id
	if p.rockRidge && !strings.Contains(id, ".") {
		id += "." // which files have even without an extension, 7.5.1
	}
	id += p.version
	if r.dir != nil {
		p.add(directoryRecord{date: newRecordDate(r.dir.Mtime)}, id)
		return
	}
	f := r.file
	fixed := directoryRecord{block: f.block, date: newRecordDate(f.Mtime), flags: flagMultiExtent}
	rest := f.size()
	for range f.sections() - 1 {
		fixed.size = maxSection
		p.add(fixed, id)
		fixed.block += maxSection / blockSize
		rest -= maxSection
	}
	fixed.size, fixed.flags = uint32(rest), 0
	p.add(fixed, id)
}

func (p *packer) rockRidgeFile(r *record) {
	if r.dir != nil {
		p.attributes(r.dir.Node, r.dir.links, r.dir.serial)
		p.name(r.name)
		p.location("CL", r.dir.block)
		return
	}
	p.attributes(r.file.Node, r.file.links, r.file.serial)
	p.name(r.name)
	switch {
	case r.file.Link != "":
		p.target(r.file.Link)
	case r.file.UnixMode()&0o170000 == 0o020000, r.file.UnixMode()&0o170000 == 0o060000:
		p.device(r.file.Dev)
	}
}

// add adds a record with the entries that were collected. None crosses a block.
func (p *packer) add(fixed directoryRecord, id string) {
	room := maxRecord - recordSize(len(id), 0)
	inRecord, area := p.split(room, p.areaBlock, p.area)
	p.area = area
	if left := blockSize - len(p.dir)%blockSize; recordSize(len(id), len(inRecord)) > left {
		p.dir = padded(p.dir)
	}
	p.dir = appendRecord(p.dir, fixed, id, inRecord)
}
