// Package cache reads binary caches: folders and servers that hold store paths as
// compressed NARs, such as https://cache.nixos.org and what nix copy --to file://…
// makes.
//
//	key, err := storedb.ParsePublicKey("example-1:…")
//	c, err := cache.Open(ctx, cache.Options{Keys: []storedb.PublicKey{key}}, "https://cache.example.org")
//	items, err := c.Read(ctx, "/var/cache/store", "/nix/store/…-hello-2.12")
//
// A cache says of each path, in HASH.narinfo, what it refers to, and where its NAR
// lies. [Cache.Closure] follows the references from some roots; [Cache.Fetch] brings
// the paths into a folder, from where the items are taken like those of any store.
//
// # What it guarantees
//
// A path is taken if one of the trusted keys, of Nix's kind or of Guix's, signed its
// hash, size and references, or
// if its name follows from its contents; [Options.Unsigned] takes all. What does not
// have the signed hash never gets the path's name. Both hashes and both sizes are
// checked while the data streams by; it is read once and held nowhere as a whole.
//
// NARs are read strictly: names that lead elsewhere, that stand twice or are not
// sorted, sizes that cannot be, and anything behind the end are refused with the byte
// where it is, and nothing is made outside of the folder. The URL of a NAR, which no
// signature covers, must stay below the cache's own.
//
// A connection that is cut is opened again and goes on at the byte where it was,
// where the server supports ranges. Five tries in a row that each brought less than 64 KiB are
// an error. The caller decides how long to wait in between, and on proxies and time-outs:
// nothing here looks at the clock or the environment.
//
// Ten redirections are followed, none of them from https to http, or to another scheme.
// A name and a password in a cache's URL are sent to its host alone, and no error shows
// them, nor what the query of a URL holds.
//
// [Server] is the other side: a folder that nix copy --to http://… puts paths into.
//
// # Limits
//
// NARs may be compressed with xz, zstd, bzip2, gzip, lzip, lz4, Brotli ("br"), LZMA or not at
// all; lzop, lrzip and grzip, for which Nix runs other programs, and compress are not supported.
// Answers are read with the codings of Content-Encoding that Nix reads, though requests name
// none. Of Guix's signatures, ECDSA over the curve Ed25519 and RSA are known, which are the keys
// that guix archive makes; another is not trusted.
package cache
