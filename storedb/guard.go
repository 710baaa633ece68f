package storedb

/*
#include <stdlib.h>
// SQLite is linked in by go-sqlite3, which offers neither a way to open a database
// without running statements on it nor what bounds and cancels the work of statements
// (https://sqlite.org/security.html, https://sqlite.org/c3ref/progress_handler.html).
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
int sqlite3_open_v2(const char *name, sqlite3 **db, int flags, const char *vfs);
int sqlite3_close_v2(sqlite3 *db);
int sqlite3_limit(sqlite3 *db, int id, int value);
int sqlite3_db_config(sqlite3 *db, int op, ...);
int sqlite3_set_authorizer(sqlite3 *db, int (*f)(void *, int, const char *, const char *, const char *, const char *), void *arg);
void sqlite3_progress_handler(sqlite3 *db, int steps, int (*f)(void *), void *arg);
int sqlite3_busy_handler(sqlite3 *db, int (*f)(void *, int), void *arg);
int sqlite3_sleep(int milliseconds);
int sqlite3_db_status(sqlite3 *db, int op, int *now, int *highest, int reset);
int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int length, sqlite3_stmt **stmt, const char **tail);
int sqlite3_step(sqlite3_stmt *stmt);
int sqlite3_column_type(sqlite3_stmt *stmt, int column);
long long sqlite3_column_int64(sqlite3_stmt *stmt, int column);
int sqlite3_finalize(sqlite3_stmt *stmt);
int sqlite3_stricmp(const char *a, const char *b);

// ingot_guard watches over one connection.
typedef struct {
	sqlite3 *db;
	int stop;       // set from another thread: all work ends
	int writable;   // rows may be changed
	int busy;       // milliseconds that one lock is waited for
	long long left; // steps that are left
} ingot_guard;

enum { STEPS = 1000, WAIT = 10 };

static int ingot_stopped(ingot_guard *g) { return __atomic_load_n(&g->stop, __ATOMIC_RELAXED); }
static void ingot_stop(ingot_guard *g) { __atomic_store_n(&g->stop, 1, __ATOMIC_RELAXED); }

// ingot_pages returns how many pages were looked at since it was last asked. A single step
// can look at all pages of a database: those of a long column that another one follows.
static long long ingot_pages(sqlite3 *db) {
	enum { HIT = 7, MISS = 8 };
	int hits = 0, misses = 0, highest;
	sqlite3_db_status(db, HIT, &hits, &highest, 1);
	sqlite3_db_status(db, MISS, &misses, &highest, 1);
	return (long long)hits + misses;
}

static int ingot_progress(void *arg) {
	ingot_guard *g = arg;
	g->left -= STEPS + ingot_pages(g->db);
	return ingot_stopped(g) || g->left < 0;
}

static int ingot_busy(void *arg, int tries) {
	ingot_guard *g = arg;
	if (ingot_stopped(g) || tries * WAIT >= g->busy)
		return 0;
	sqlite3_sleep(WAIT);
	return 1;
}

// ingot_authorize allows what statements of this package do. A statement that reaches
// anything by way of a view or a trigger is refused, whatever it is.
static int ingot_authorize(void *arg, int action, const char *a, const char *b, const char *db, const char *inner) {
	ingot_guard *g = arg;
	enum { OK = 0, DENY = 1, DELETE = 9, INSERT = 18, PRAGMA = 19, READ = 20, SELECT = 21, TRANSACTION = 22, UPDATE = 23, FUNCTION = 31 };
	if (inner != NULL)
		return DENY;
	switch (action) {
	case READ: case SELECT: case TRANSACTION: case PRAGMA:
		return OK;
	case FUNCTION:
		return b != NULL && sqlite3_stricmp(b, "max") == 0 ? OK : DENY;
	case INSERT: case UPDATE: case DELETE:
		return g->writable ? OK : DENY;
	}
	return DENY;
}

static int ingot_set(sqlite3 *db, int op, int on) { return sqlite3_db_config(db, op, on, (int *)NULL); }

static void ingot_guard_on(sqlite3 *db, ingot_guard *g) {
	g->db = db;
	sqlite3_progress_handler(db, STEPS, ingot_progress, g);
	sqlite3_busy_handler(db, ingot_busy, g);
	sqlite3_set_authorizer(db, ingot_authorize, g);
}

// ingot_pairs reads up to most rows of two numbers each. It returns SQLITE_ROW if there
// may be more, SQLITE_DONE at the end, -1 at a row that is not two numbers, or an error.
static int ingot_pairs(sqlite3_stmt *stmt, long long *out, int most, int *got) {
	int rc = 100;
	for (*got = 0; *got < most && (rc = sqlite3_step(stmt)) == 100; (*got)++) {
		if (sqlite3_column_type(stmt, 0) != 1 || sqlite3_column_type(stmt, 1) != 1)
			return -1;
		out[2 * *got] = sqlite3_column_int64(stmt, 0);
		out[2 * *got + 1] = sqlite3_column_int64(stmt, 1);
	}
	return rc;
}
*/
import "C"

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/mattn/go-sqlite3"
)

// What SQLite calls them.
const (
	openReadOnly  = 0x00000001 // SQLITE_OPEN_READONLY
	openReadWrite = 0x00000002 // SQLITE_OPEN_READWRITE
	openCreate    = 0x00000004 // SQLITE_OPEN_CREATE
	openURI       = 0x00000040 // SQLITE_OPEN_URI
	openNoMutex   = 0x00008000 // SQLITE_OPEN_NOMUTEX: one goroutine at a time
	openFullMutex = 0x00010000 // SQLITE_OPEN_FULLMUTEX
	openNoFollow  = 0x01000000 // SQLITE_OPEN_NOFOLLOW

	stepRow  = 100 // SQLITE_ROW
	stepDone = 101 // SQLITE_DONE

	configTrigger       = 1003 // SQLITE_DBCONFIG_ENABLE_TRIGGER
	configDefensive     = 1010 // SQLITE_DBCONFIG_DEFENSIVE
	configView          = 1015 // SQLITE_DBCONFIG_ENABLE_VIEW
	configTrustedSchema = 1017 // SQLITE_DBCONFIG_TRUSTED_SCHEMA
)

// guardLimits are what the statements and the rows of a store's database stay far
// below (https://sqlite.org/c3ref/c_limit_attached.html).
var guardLimits = map[C.int]C.int{
	sqlite3.SQLITE_LIMIT_LENGTH:              64 << 20, // bytes of a row: the environment of a derivation
	sqlite3.SQLITE_LIMIT_SQL_LENGTH:          1 << 20,
	sqlite3.SQLITE_LIMIT_COLUMN:              200,
	sqlite3.SQLITE_LIMIT_EXPR_DEPTH:          100,
	sqlite3.SQLITE_LIMIT_COMPOUND_SELECT:     3,
	sqlite3.SQLITE_LIMIT_VDBE_OP:             100_000,
	sqlite3.SQLITE_LIMIT_FUNCTION_ARG:        8,
	sqlite3.SQLITE_LIMIT_ATTACHED:            0,
	sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
	sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER:     1000,
	sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH:       10, // actions of foreign keys count
	sqlite3.SQLITE_LIMIT_WORKER_THREADS:      0,
}

// Work is counted in steps of SQLite's virtual machine, and in pages that they look at. To
// check and read all of a sound database takes 0.4 for each byte. One whose pages refer to each other in ways that
// they never should can have SQLite read them again and again.
const (
	stepsAtLeast = 10_000_000
	stepsPerByte = 10
	stepsPerRow  = 10_000 // that is written
)

// guardedDB is a connection to a database that is not trusted: the work of its statements is
// bounded, they end when the context does, and they run no SQL of the database's own.
type guardedDB struct {
	memoryDB
	ctx   context.Context
	guard *C.ingot_guard
	size  int64 // of the database, in bytes
	steps int64 // that it was given
	stop  func() bool
	ended chan struct{} // closed when stop has come too late, and ctx's end was told
}

// guardOptions say how a database is opened.
type guardOptions struct {
	name  string // file: URI
	flags C.int
	size  int64  // of the database, in bytes
	rows  int64  // that will be written; 0 opens it to be read only
	busy  int    // milliseconds to wait for a lock
	bytes []byte // of a database in memory
}

// openGuarded opens a database and runs no statement that reads it. go-sqlite3's own
// Open reads the schema before anything can be bounded.
func openGuarded(ctx context.Context, o guardOptions) (*guardedDB, error) {
	name := C.CString(o.name)
	defer C.free(unsafe.Pointer(name))
	var handle *C.sqlite3
	if rc := C.sqlite3_open_v2(name, &handle, o.flags|openURI, nil); rc != 0 {
		C.sqlite3_close_v2(handle)
		return nil, sqlite3.Error{Code: sqlite3.ErrNo(rc & 0xff), ExtendedCode: sqlite3.ErrNoExtended(rc)}
	}
	conn := &sqlite3.SQLiteConn{}
	*(**C.sqlite3)(reflect.ValueOf(conn).Elem().FieldByName("db").Addr().UnsafePointer()) = handle
	db := &guardedDB{memoryDB: memoryDB{conn}, ctx: ctx, size: o.size, ended: make(chan struct{})}
	if o.bytes != nil { // SQLite does so by attaching it, which is not allowed later
		if err := cmp.Or(db.unlimit(), db.Deserialize(o.bytes, "main")); err != nil {
			conn.Close()
			return nil, err
		}
	}
	db.guard = (*C.ingot_guard)(C.calloc(1, C.size_t(unsafe.Sizeof(C.ingot_guard{}))))
	db.guard.busy = C.int(o.busy)
	pragmas := "pragma cell_size_check=on; pragma mmap_size=0; pragma temp_store=memory; pragma ignore_check_constraints=on; "
	if o.rows > 0 {
		db.guard.writable = 1
		pragmas += "pragma foreign_keys=on;"
	} else {
		pragmas += "pragma query_only=on;"
	}
	db.allow(stepsAtLeast + stepsPerByte*o.size + stepsPerRow*o.rows)
	for id, limit := range guardLimits {
		C.sqlite3_limit(handle, id, limit)
	}
	for op, on := range map[C.int]C.int{configTrigger: 0, configView: 0, configDefensive: 1, configTrustedSchema: 0} {
		C.ingot_set(handle, op, on)
	}
	C.ingot_guard_on(handle, db.guard)
	db.stop = context.AfterFunc(ctx, func() {
		C.ingot_stop(db.guard)
		close(db.ended)
	})
	if err := db.exec(pragmas); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// allow gives so many more steps.
func (db *guardedDB) allow(steps int64) {
	db.steps += steps
	db.guard.left += C.longlong(steps)
}

// Close ends the connection.
func (db *guardedDB) Close() error {
	if !db.stop() {
		<-db.ended
	}
	err := db.memoryDB.Close()
	C.free(unsafe.Pointer(db.guard))
	return err
}

// ErrDatabaseWork is what reading a database ends with that takes more work than one
// of its size can.
var ErrDatabaseWork = errors.New("the database is damaged, or was made to keep its reader busy")

// explain turns SQLite's word for an interrupted statement into the reason.
func (db *guardedDB) explain(err error) error {
	var e sqlite3.Error
	if err == nil || !errors.As(err, &e) || e.Code != sqlite3.ErrInterrupt && e.Code != sqlite3.ErrBusy {
		return err
	}
	if ended := db.ctx.Err(); ended != nil {
		return ended
	}
	if e.Code == sqlite3.ErrInterrupt {
		return fmt.Errorf("%w: %d bytes took more than %d steps of work", ErrDatabaseWork, db.size, db.steps)
	}
	return fmt.Errorf("another process has kept it locked for %d seconds: %w", db.guard.busy/1000, err)
}

func (db *guardedDB) exec(sql string) error { return db.explain(db.memoryDB.exec(sql)) }

// query calls row for each row of the answer. The values are reused.
func (db *guardedDB) query(sql string, args []driver.Value, row func([]driver.Value) error) error {
	stmt, err := db.Prepare(sql)
	if err != nil {
		return db.explain(err)
	}
	defer stmt.Close()
	rows, err := stmt.(*sqlite3.SQLiteStmt).Query(args)
	if err == nil {
		err = eachRow(rows, row)
	}
	return db.explain(err)
}

// pairsAtOnce is how many rows one call into C reads. The call is most of what a row
// costs: with 65,536 a closure of 50,000 paths is read in half of the time that it takes
// with single rows.
const pairsAtOnce = 1 << 16

// errNoPair is a row of Refs that is not two numbers.
var errNoPair = errors.New("is corrupt: a reference is not from one row's number to another's")

// pairs calls found for each row of an answer that has two numbers in a row.
func (db *guardedDB) pairs(sql string, found func(a, b int64) error) error {
	text := C.CString(sql)
	defer C.free(unsafe.Pointer(text))
	var stmt *C.sqlite3_stmt
	failed := func(rc C.int) error {
		return db.explain(sqlite3.Error{Code: sqlite3.ErrNo(rc & 0xff), ExtendedCode: sqlite3.ErrNoExtended(rc)})
	}
	if rc := C.sqlite3_prepare_v2(db.handle(), text, -1, &stmt, nil); rc != 0 {
		return failed(rc)
	}
	defer C.sqlite3_finalize(stmt)
	buffer := make([]C.longlong, 2*pairsAtOnce)
	for {
		var n C.int
		rc := C.ingot_pairs(stmt, &buffer[0], pairsAtOnce, &n)
		for i := range int(n) {
			if err := found(int64(buffer[2*i]), int64(buffer[2*i+1])); err != nil {
				return err
			}
		}
		switch rc {
		case stepRow:
		case stepDone:
			return nil
		case -1:
			return errNoPair
		default:
			return failed(rc)
		}
	}
}
