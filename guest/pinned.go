package guest

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"ingot/guest/wire/files"
)

// pinned are files that stay where they are in memory, for the host to read them there.
// A guest that is emulated copies 100 MB a second, and each byte more than once on
// its way through a device; the host copies a hundred times as quickly.
type pinned struct {
	parts []part
}

// part is a piece of a file, without holes, as it is mapped.
type part struct {
	mapped []byte
	frames []uint64
}

// pin maps a file and returns where its contents lie; nil for a file that is on a disk.
func (p *pinned) pin(f *os.File, size int64) []files.Run {
	var st unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &st) != nil || st.Type != unix.TMPFS_MAGIC && st.Type != unix.RAMFS_MAGIC {
		return nil
	}
	var runs []files.Run
	for at := int64(0); at < size; {
		data, end := nextData(f, at, size)
		if data > at {
			runs = append(runs, files.Run{Address: files.HoleAddress, Length: data - at})
		}
		if data < end {
			mapped, err := mapPart(f, data, end-data)
			if err != nil {
				return nil
			}
			p.parts = append(p.parts, mapped)
			runs = append(runs, mapped.runs(end-data)...)
		}
		at = end
	}
	return runs
}

// nextData returns the next run of a file that is no hole. It begins with a page. ramfs
// cannot tell, and has no holes.
func nextData(f *os.File, at, size int64) (data, end int64) {
	data, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) || err == nil && data >= size {
		return size, size
	}
	page := int64(os.Getpagesize())
	if err != nil || data < at || data%page != 0 {
		return at, size
	}
	if end, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE); err != nil || end <= data || end%page != 0 {
		end = size
	}
	return data, min(end, size)
}

// mapPart maps a piece of a file, all of it at once, and finds its page frames.
func mapPart(f *os.File, at, n int64) (p part, err error) {
	p.mapped, err = unix.Mmap(int(f.Fd()), at, int(n), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return p, err
	}
	if p.frames, err = frames(p.mapped); err != nil {
		err = errors.Join(err, unix.Munmap(p.mapped))
	}
	return p, err
}

// An entry of /proc/PID/pagemap: https://docs.kernel.org/admin-guide/mm/pagemap.html
const (
	pagemapEntry   = 8
	pagemapPresent = 1 << 63
	pagemapFrame   = 1<<55 - 1
)

var errNotPresent = errors.New("a page is not in memory, or the kernel does not tell where")

// frames returns the numbers of the page frames that mapped memory has.
func frames(mapped []byte) ([]uint64, error) {
	f, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	page := os.Getpagesize()
	raw := make([]byte, (len(mapped)+page-1)/page*pagemapEntry)
	section := io.NewSectionReader(f, int64(addressOf(mapped)/uintptr(page))*pagemapEntry, int64(len(raw)))
	if _, err := io.ReadFull(section, raw); err != nil {
		return nil, err
	}
	list := make([]uint64, len(raw)/pagemapEntry)
	for i := range list {
		entry := binary.LittleEndian.Uint64(raw[i*pagemapEntry:])
		if list[i] = entry & pagemapFrame; entry&pagemapPresent == 0 || list[i] == 0 {
			return nil, errNotPresent
		}
	}
	return list, nil
}

// runs joins neighbouring frames, n bytes in all.
func (p part) runs(n int64) (runs []files.Run) {
	page := int64(os.Getpagesize())
	for i := 0; i < len(p.frames); {
		first := i
		for i++; i < len(p.frames) && p.frames[i] == p.frames[i-1]+1; i++ {
		}
		length := min(int64(i-first)*page, n)
		runs = append(runs, files.Run{Address: int64(p.frames[first]) * page, Length: length})
		n -= length
	}
	return runs
}

// end unmaps all files. It reports whether they have stayed in their places: a kernel that is
// short of memory in large pieces may move mapped pages.
func (p *pinned) end() (stayed bool) {
	stayed = true
	for _, part := range p.parts {
		now, err := frames(part.mapped)
		stayed = stayed && err == nil && slices.Equal(now, part.frames)
		_ = unix.Munmap(part.mapped) // it was mapped
	}
	p.parts = nil
	return stayed
}

func addressOf(p []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(p))) }
