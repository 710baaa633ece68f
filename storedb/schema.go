package storedb

// The schemas of the databases, as src/libstore/schema.sql of Nix (schema 10) and
// nix/libstore/schema.sql of Guix (schema 7) define them. The order of the tables
// and of the indexes is that of the file.
//
// Nix once had an index IndexReferrer as well. The primary key of Refs serves the
// same queries, and since 2026 Nix drops the index where it finds it.
var schemas = [...]struct{ tables, indexes, trigger string }{
	Nix: {
		tables: `
create table ValidPaths (
    id               integer primary key autoincrement not null,
    path             text unique not null,
    hash             text not null,
    registrationTime integer not null,
    deriver          text,
    narSize          integer,
    ultimate         integer,
    sigs             text,
    ca               text
);` + refsTable + outputsTable,
		indexes: indexReference + indexOutputs,
		trigger: deleteSelfRefs,
	},
	Guix: {
		tables: `
create table ValidPaths (
    id               integer primary key autoincrement not null,
    path             text unique not null,
    hash             text not null,
    registrationTime integer not null,
    deriver          text,
    narSize          integer
);` + refsTable + outputsTable + `
create table FailedPaths (
    path text primary key not null,
    time integer not null
);`,
		indexes: `
create index IndexReferrer on Refs(referrer);` + indexReference + indexOutputs,
		trigger: deleteSelfRefs,
	},
}

const (
	refsTable = `
create table Refs (
    referrer  integer not null,
    reference integer not null,
    primary key (referrer, reference),
    foreign key (referrer) references ValidPaths(id) on delete cascade,
    foreign key (reference) references ValidPaths(id) on delete restrict
);`
	outputsTable = `
create table DerivationOutputs (
    drv  integer not null,
    id   text not null,
    path text not null,
    primary key (drv, id),
    foreign key (drv) references ValidPaths(id) on delete cascade
);`
	indexReference = `
create index IndexReference on Refs(reference);`
	indexOutputs = `
create index IndexDerivationOutputs on DerivationOutputs(path);`
	// An item that refers to itself could not be deleted otherwise.
	deleteSelfRefs = `
create trigger DeleteSelfRefs before delete on ValidPaths
begin
    delete from Refs where referrer = old.id and reference = old.id;
end;`
)

// Fields of the header of a SQLite database (https://sqlite.org/fileformat2.html,
// section 1.3), big-endian.
const (
	headerWriteVersion  = 18 // 1 byte: 1 is a rollback journal, 2 a write-ahead log
	headerReadVersion   = 19 // 1 byte, the same
	headerChangeCounter = 24
	headerPages         = 28
	headerFreePages     = 36
	headerSchemaCookie  = 40
	headerValidFor      = 92 // the change counter that headerPages and headerLibrary are of
	headerLibrary       = 96 // SQLITE_VERSION_NUMBER of the library that wrote last
	headerSize          = 100

	rollbackJournal = 1
	pageSize        = 4096
	// libraryVersion is what every database says of its writer, whichever it was:
	// SQLite 3.40.1.
	libraryVersion = 3_040_001
)

// Fields of the header of a page of a B-tree (section 1.6), big-endian. On page 1 it
// stands behind the header of the database.
const (
	btreeType    = 0 // 1 byte
	btreeCells   = 3 // 2 bytes: how many 2-byte pointers to cells follow the header
	btreeContent = 5 // 2 bytes: where the cells begin, from the start of the page

	interiorIndex = 2
	interiorTable = 5
	leafIndex     = 10
	leafTable     = 13

	leafHeaderSize     = 8
	interiorHeaderSize = 12
)
