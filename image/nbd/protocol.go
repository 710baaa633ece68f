package nbd

// Numbers and structures of the protocol, with the names of
// https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md. All numbers
// are big-endian.

const (
	magicInit            = 0x4e42444d41474943 // "NBDMAGIC"
	magicOption          = 0x49484156454f5054 // "IHAVEOPT"
	magicOptionReply     = 0x3e889045565a9
	magicRequest         = 0x25609513
	magicSimpleReply     = 0x67446698
	magicStructuredReply = 0x668e33ef
)

// Handshake flags, of the server and of the client.
const (
	flagFixedNewstyle = 1 << 0
	flagNoZeroes      = 1 << 1
)

// Transmission flags.
const (
	flagHasFlags        = 1 << 0
	flagReadOnly        = 1 << 1
	flagSendFlush       = 1 << 2
	flagSendFUA         = 1 << 3
	flagSendTrim        = 1 << 5
	flagSendWriteZeroes = 1 << 6
	flagSendDF          = 1 << 7
	flagCanMultiConn    = 1 << 8
)

// Options.
const (
	optExportName      = 1
	optAbort           = 2
	optList            = 3
	optInfo            = 6
	optGo              = 7
	optStructuredReply = 8
	optListMetaContext = 9
	optSetMetaContext  = 10
)

// Types of option replies.
const (
	repAck         = 1
	repServer      = 2
	repInfo        = 3
	repMetaContext = 4
	repErrUnsup    = 1<<31 | 1
	repErrInvalid  = 1<<31 | 3
	repErrUnknown  = 1<<31 | 6
	repErrTooBig   = 1<<31 | 9
)

// Types of information.
const (
	infoExport    = 0
	infoBlockSize = 3
)

// Commands.
const (
	cmdRead        = 0
	cmdWrite       = 1
	cmdDisc        = 2
	cmdFlush       = 3
	cmdTrim        = 4
	cmdWriteZeroes = 6
	cmdBlockStatus = 7
)

// Command flags.
const (
	cmdFlagFUA    = 1 << 0 // reply when the write is durable
	cmdFlagDF     = 1 << 2 // do not fragment
	cmdFlagReqOne = 1 << 3
)

// Chunks of structured replies.
const (
	replyFlagDone        = 1 << 0
	replyTypeNone        = 0
	replyTypeOffsetData  = 1
	replyTypeOffsetHole  = 2
	replyTypeBlockStatus = 5
	replyTypeError       = 1<<15 | 1
)

// Errors.
const (
	errPerm  = 1
	errIO    = 5
	errInval = 22
	errNoSpc = 28
)

// The metadata context that the server knows, its number here, and its flags.
const (
	contextAllocation = "base:allocation"
	contextID         = 1
	stateHole         = 1 << 0
	stateZero         = 1 << 1
)

// The lengths of headers.
const (
	requestSize  = 28
	simpleHeader = 16
	chunkHeader  = 20
)

// request is the header of a client's request.
type request struct {
	Magic  uint32
	Flags  uint16
	Type   uint16
	Cookie uint64
	Offset uint64
	Length uint32
}

const (
	// maxRead is the largest read or write; the server announces it, and QEMU has the same
	// limit.
	maxRead = 32 << 20
	// maxOption is the longest option that the server reads. Names may have 4096 bytes.
	maxOption = 64 << 10
	// hole is the shortest run of zeros that counts as a hole.
	hole = 4096
)
