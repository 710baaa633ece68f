package storedb

/*
// SQLite is linked in by go-sqlite3; these are two of its functions that it does not
// offer (https://sqlite.org/c3ref/serialize.html, https://sqlite.org/c3ref/file_control.html).
typedef struct sqlite3 sqlite3;
unsigned char *sqlite3_serialize(sqlite3 *db, const char *schema, long long *size, unsigned flags);
int sqlite3_file_control(sqlite3 *db, const char *schema, int op, void *arg);
*/
import "C"

import (
	"errors"
	"reflect"
	"unsafe"
)

// What SQLite calls them, and the name of a private database in one piece of memory,
// which is what can be handed out without a copy. One of the kind ":memory:" lies in
// pages of a cache.
const (
	serializeNoCopy = 1  // SQLITE_SERIALIZE_NOCOPY
	fcntlSizeLimit  = 36 // SQLITE_FCNTL_SIZE_LIMIT
	memdbLimit      = 1 << 40
	memdbName       = "file:ingot?vfs=memdb"
)

// handle returns what SQLite knows the connection by.
func (db *memoryDB) handle() *C.sqlite3 {
	return (*C.sqlite3)(reflect.ValueOf(db.SQLiteConn).Elem().FieldByName("db").UnsafePointer())
}

// bytes returns a copy of the database's file. Serialize of go-sqlite3 needs memory
// for two.
func (db *memoryDB) bytes() ([]byte, error) {
	var size C.longlong
	schema := append([]byte("main"), 0)
	p := C.sqlite3_serialize(db.handle(), (*C.char)(unsafe.Pointer(&schema[0])), &size, serializeNoCopy)
	if p == nil {
		return nil, errors.New("sqlite: the database does not lie in memory")
	}
	b := make([]byte, size)
	copy(b, unsafe.Slice((*byte)(unsafe.Pointer(p)), size))
	return b, nil
}

// unlimit lets the database grow beyond the 1 GiB that SQLite allows one in memory.
func (db *memoryDB) unlimit() error {
	limit := C.longlong(memdbLimit)
	schema := append([]byte("main"), 0)
	if rc := C.sqlite3_file_control(db.handle(), (*C.char)(unsafe.Pointer(&schema[0])), fcntlSizeLimit, unsafe.Pointer(&limit)); rc != 0 {
		return errors.New("sqlite: the limit of a database in memory cannot be raised")
	}
	return nil
}
