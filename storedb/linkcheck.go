package storedb

import (
	"fmt"
	"strings"
	"unicode"

	"ingot/image"
)

// maxLinkName is how many bytes a part of the name of a GC root or a profile may have: a
// generation's link has a number behind it, and one that is being made a word before it,
// and file systems take 255.
const maxLinkName = 255 - len(".ingot-") - len("-4294967295-link")

// checkLinkName says what is wrong with the name of a GC root or a profile, which may lie
// in folders. It does not lead out of the directory that it is in, and it can stand in a
// line of a listing.
func checkLinkName(name string) error {
	if i := strings.IndexFunc(name, unicode.IsControl); i >= 0 {
		return fmt.Errorf("byte %d of the name begins a control character", i+1)
	}
	for part := range strings.SplitSeq(name, "/") {
		if err := image.CheckName(part); err != nil {
			return err
		}
		if len(part) > maxLinkName {
			return fmt.Errorf("the name has %d bytes, the limit is %d", len(part), maxLinkName)
		}
	}
	return nil
}
