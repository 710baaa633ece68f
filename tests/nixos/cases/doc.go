// Package cases lists ways to get the disk of a NixOS system wrong, as a configuration and a
// recipe that do not fit: what ingot says of each, and what the boot says if it is forced.
//
//	for _, c := range cases.All() {
//		config, recipe := c.Config(), c.Set
//	}
//
// [Config.Write] makes a closure that is laid out as NixOS lays it out, with an initial RAM disk of
// either kind that holds the files ingot looks at and does not start. A test with a stage 1 that
// starts takes the texts of [Config.Fstab], [Config.FsInfo] and [Config.InitrdFstab].
package cases
