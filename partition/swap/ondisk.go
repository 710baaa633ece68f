package swap

// header is union swap_header's info of include/linux/swap.h in Linux, as far as it
// is used: after 1024 bytes that are left to boot code. The rest of its page is the
// list of bad pages, which is empty, and the signature in the last 10 bytes.
//
// https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/include/linux/swap.h
type header struct {
	Version    uint32
	LastPage   uint32 // the number of pages less the header's
	NrBadpages uint32
	UUID       [16]byte
	VolumeName [16]byte
}

const (
	headerOffset = 1024
	uuidOffset   = 12 // in the header
	labelOffset  = 28
	version      = 1
	signature    = "SWAPSPACE2"
	maxLabel     = 16
	page         = 4096
	maxPage      = 65536 // of any machine
	minPages     = 10
	maxPages     = 1 << 32
)
