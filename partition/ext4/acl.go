package ext4

import (
	"encoding/binary"
	"fmt"
)

// POSIX ACLs are the only attributes with different values on disk and in system calls. In
// system calls all entries have 8 bytes and the version is 2; on disk, entries without a user
// or group have 4 bytes and the version is 1 (struct ext4_acl_header).
const (
	aclVersion     = 2 // POSIX_ACL_XATTR_VERSION
	aclDiskVersion = 1 // EXT4_ACL_VERSION
	aclHeaderSize  = 4
	aclEntrySize   = 8
	aclShortSize   = 4
	aclUndefinedID = 0xFFFFFFFF

	aclTagUserObj  = 0x01
	aclTagUser     = 0x02
	aclTagGroupObj = 0x04
	aclTagGroup    = 0x08
	aclTagMask     = 0x10
	aclTagOther    = 0x20
)

// packACL converts an ACL of getxattr(2) to its form on disk.
func packACL(value []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(value) < aclHeaderSize || (len(value)-aclHeaderSize)%aclEntrySize != 0 {
		return nil, fmt.Errorf("%d bytes are no ACL, which has 4 bytes and 8 for each entry", len(value))
	}
	if v := le.Uint32(value); v != aclVersion {
		return nil, fmt.Errorf("the ACL is of version %d, known is %d", v, aclVersion)
	}
	out := le.AppendUint32(nil, aclDiskVersion)
	for e := value[aclHeaderSize:]; len(e) > 0; e = e[aclEntrySize:] {
		switch tag := le.Uint16(e); tag {
		case aclTagUser, aclTagGroup:
			out = append(out, e[:aclEntrySize]...)
		case aclTagUserObj, aclTagGroupObj, aclTagMask, aclTagOther:
			out = append(out, e[:aclShortSize]...)
		default:
			return nil, fmt.Errorf("the ACL has an entry with the unknown tag %#x", tag)
		}
	}
	return out, nil
}

// unpackACL is the reverse of packACL.
func unpackACL(disk []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(disk) < aclHeaderSize || le.Uint32(disk) != aclDiskVersion {
		return nil, fmt.Errorf("the ACL is not of version %d", aclDiskVersion)
	}
	out := le.AppendUint32(nil, aclVersion)
	for e := disk[aclHeaderSize:]; len(e) > 0; {
		if len(e) < aclShortSize {
			return nil, fmt.Errorf("the ACL ends within an entry")
		}
		out = append(out, e[:aclShortSize]...)
		if tag := le.Uint16(e); tag != aclTagUser && tag != aclTagGroup {
			out = le.AppendUint32(out, aclUndefinedID)
			e = e[aclShortSize:]
			continue
		}
		if len(e) < aclEntrySize {
			return nil, fmt.Errorf("the ACL ends within an entry")
		}
		out = append(out, e[aclShortSize:aclEntrySize]...)
		e = e[aclEntrySize:]
	}
	return out, nil
}
