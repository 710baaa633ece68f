package swap

// header is info of union swap_header in Linux, without the list of bad pages, which stays
// empty. It follows 1024 bytes for boot code; the signature is in the last 10 bytes of the
// page.
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
