package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// checkJournal refuses a file system with changes in its journal: without them, a reader would
// see an inconsistent state.
func (r *Reader) checkJournal() error {
	if r.sb.FeatureIncompat&incompatRecover == 0 {
		return nil
	}
	pending := errors.New("was not unmounted: its journal has to be replayed first (e2fsck -p does that)")
	if r.sb.FeatureCompat&compatHasJournal == 0 || r.sb.JournalInum == 0 {
		return pending
	}
	w := newWalk(r)
	f, err := w.readInode(r.sb.JournalInum)
	if err != nil {
		return fmt.Errorf("%w; and the journal is damaged: inode %d: %w", pending, r.sb.JournalInum, err)
	}
	runs, err := w.runs(&f)
	if err != nil || len(runs) == 0 || runs[0].logical != 0 {
		return pending
	}
	p := make([]byte, superblockSize)
	if err := r.read(p, runs[0].physical*r.blockSize); err != nil {
		return err
	}
	var s journalSuperblock
	if _, err := binary.Decode(p, binary.BigEndian, &s); err != nil || s.Magic != journalMagic || s.Start != 0 {
		return pending
	}
	return nil // the journal is empty
}
