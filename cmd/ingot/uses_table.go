package main

import "slices"

// Ways for what a flag of closures would do with a recipe.
const (
	kernelOfRecipe  = "its system.kernel says which it has, as --set system.kernel=DIR does"
	sourcesOfRecipe = "its store.closures say what its store holds"
	storeOfRecipe   = "its partitions say how its store is seen"
	initOfRecipe    = "it boots its own system"
)

// sourceUses are those of the flags that name closures.
func sourceUses(on kinds, more map[string]use) map[string]use {
	for _, name := range []string{"graph", "registration", "path-info", "path", "from", "cache", "add", "unpack", "flavour"} {
		more[name] = use{on: on, way: sourcesOfRecipe}
	}
	more["store-root"] = use{on: on, way: sourcesOfRecipe}
	more["key"] = use{on: on, with: []string{"cache"}, way: sourcesOfRecipe}
	more["unsigned"] = use{on: on, with: []string{"cache"}, way: sourcesOfRecipe}
	more["strip"] = use{on: on, with: []string{"unpack"}, way: sourcesOfRecipe}
	return more
}

// ofStore has flags say where a store comes from that the guest may not have.
func ofStore(table map[string]use) map[string]use {
	stores := []string{"store", "graph", "registration", "path-info", "path"}
	table["from"], table["store-root"] = use{with: stores}, use{with: stores}
	table["flavour"] = use{with: append(slices.Clone(stores), "add", "unpack")}
	return table
}

// withSources adds the flags that say where the closure of a system is.
func withSources(table map[string]use) map[string]use {
	table["profile"] = use{on: aSystem, way: "its bootloader.generations say what came before"}
	return sourceUses(aSystem, table)
}

// ofRecipes has all flags of recipes but a few need --from, which derives a recipe.
func ofRecipes(table map[string]use) map[string]use {
	for name, u := range sourceUses(0, table) {
		if !slices.Contains([]string{"json", "schema", "from"}, name) {
			table[name] = use{with: append([]string{"from"}, u.with...)}
		}
	}
	table["from"] = use{}
	return table
}

// withKeys adds the flags for keys of recipes.
func withKeys(not []string, table map[string]use) map[string]use {
	for _, name := range []string{"sign-key", "sign-cert", "sign-chain", "ssh-key"} {
		table[name] = use{not: not}
	}
	return table
}

// uses has all flags of all verbs. A flag that is not here fails a test.
var uses = map[string]map[string]use{
	"plan": withSources(withKeys(nil, map[string]use{"set": {}, "format": {}, stallFlag: {}, "output": {}, "json": {}, "top": {}})),
	"build": withSources(withKeys(nil, map[string]use{
		"set": {}, "format": {}, stallFlag: {}, "output": {}, "quiet": {}, "manifest": {not: []string{"no-manifest"}}, "no-manifest": {}, "no-sync": {},
		"no-vm": {not: []string{"vm-kernel", "vm-accel"}}, "vm-kernel": {}, "vm-accel": {},
		"test":       {},
		"test-junit": {with: []string{"test"}}, "test-results": {with: []string{"test"}}, "test-step-timeout": {with: []string{"test"}},
	})),
	"convert": {
		"output": {}, "format": {}, "partition": {}, "filesystem": {}, "tag": {}, "entrypoint": {}, "env": {}, "arch": {}, "compress": {}, "level": {with: []string{"compress"}},
		"max-size": {}, "quiet": {}, "set": {on: aRecipe}, stallFlag: {on: aRecipe},
	},
	"serve": withSources(map[string]use{
		"set": {on: aRecipe}, "format": {on: aRecipe}, stallFlag: {on: aRecipe},
		"no-vm": {on: aRecipe, not: []string{"vm-kernel", "vm-accel"}}, "vm-kernel": {on: aRecipe}, "vm-accel": {on: aRecipe},
		"socket": {}, "writable": {not: []string{"overlay"}}, "overlay": {}, "export": {}, "once": {}, "quiet": {},
	}),
	"verify": withSources(withKeys(withoutRecipe, map[string]use{
		"set": {not: withoutRecipe}, "format": {not: withoutRecipe}, stallFlag: {not: withoutRecipe}, "json": {not: []string{"digest", "trust"}}, "quiet": {not: []string{"trust"}},
		"digest": {not: []string{"trust", "manifest"}}, "trust": {not: []string{"manifest"}}, "manifest": {}, "cert": {with: []string{"trust"}}, "any-ocsp": {with: []string{"trust"}},
	})),
	"recipes": ofRecipes(map[string]use{
		"json": {not: []string{"schema", "from"}}, "schema": {not: []string{"from"}},
		"items": {}, "profile": {}, "format": {}, "output": {}, stallFlag: {},
	}),
	"completion": {},
	"version":    {"licenses": {}},

	"register": sourceUses(0, map[string]use{
		stallFlag: {with: []string{"cache"}},
		"root":    {}, "copy": {}, "no-deduplicate": {}, "no-reset-timestamps": {}, "gc-root": {}, "profile": {}, "verify": {},
		"no-sync": {}, "dry-run": {}, "json": {}, "quiet": {},
	}),
	"closure": sourceUses(0, map[string]use{
		stallFlag: {with: []string{"cache"}},
		"format":  {}, "json": {not: []string{"bytes"}}, "sort": {}, "top": {}, "bytes": {}, "drop": {},
	}),
	"closure why": sourceUses(0, map[string]use{stallFlag: {with: []string{"cache"}}, "json": {}}),
	"check": {
		"root": {}, "flavour": {}, "no-contents": {}, "json": {}, "quiet": {},
		"max-database": {on: aDisk | anISO}, "max-size": {on: aDisk | anISO, not: []string{"no-contents"}},
	},
	"cache": {},
	"cache serve": {
		"listen": {}, "host": {}, "netrc": {}, "upload-token-file": {}, "flavour": {},
		"max-upload": {}, "uploads": {}, "read-only": {not: []string{"netrc", "upload-token-file"}},
	},

	"run": sourceUses(aClosure|aSystem, map[string]use{
		"set": {on: aRecipe}, "format": {on: aRecipe}, stallFlag: {on: aRecipe | aClosure},
		"no-vm": {on: aRecipe, not: []string{"vm-kernel", "vm-accel"}}, "vm-kernel": {on: aRecipe}, "vm-accel": {on: aRecipe},

		"profile": {on: aSystem, way: "its bootloader.generations say what came before"},
		"kernel":  {on: aClosure, way: kernelOfRecipe},
		"store":   {on: aClosure, way: sourcesOfRecipe}, "store-share": {on: aClosure, way: storeOfRecipe}, "writable-store": {on: aClosure, way: storeOfRecipe},
		"find":     {on: aClosure, not: []string{"shell", "run", "init"}, way: initOfRecipe},
		"shell":    {on: aClosure, not: []string{"run", "init"}, way: initOfRecipe + ", and ingot shell opens a shell in it"},
		"run":      {on: aClosure, not: []string{"init"}, way: initOfRecipe + ", and ingot shell runs commands in it"},
		"init":     {on: aClosure, way: initOfRecipe},
		"arg":      {on: aClosure, with: []string{"run"}, way: initOfRecipe},
		"env":      {on: aClosure, with: []string{"run"}, way: initOfRecipe},
		"reg-info": {on: aClosure, way: sourcesOfRecipe},
		"console":  {on: aClosure, with: []string{"run", "find", "shell"}, way: "its console is shown in any case"},

		"overlay": {on: aRecipe | aClosure | aDisk}, "disk-size": {on: aRecipe | aClosure | aDisk},
		"secure-boot": {on: aRecipe | aDisk | anISO}, "efi-vars": {on: aRecipe | aDisk | anISO}, "firmware": {on: aRecipe | aDisk | anISO}, "boot": {}, "append": {on: aRecipe | aClosure | aNetboot},
		"ssh": {on: aRecipe | aNetboot},

		"name": {}, "arch": {}, "machine": {}, "accel": {}, "memory": {}, "cpus": {}, "disk": {}, "new-disk": {not: []string{"save"}}, "empty-disk": {}, "share": {},
		"forward": {}, "network": {},
		"vlan": {}, "number": {with: []string{"vlan"}}, "tpm": {}, "tpm-state": {}, "graphics": {}, "reboot": {}, "backdoor": {},
		"save": {}, "dry-run": {not: []string{"save"}},
	}),
	"shell": {}, "ps": {"json": {}},
	"stop": {"all": {}, "now": {}, "grace": {not: []string{"now"}}},

	"exec": ofStore(sourceUses(0, map[string]use{
		"recipe": {}, "set": {with: []string{"recipe"}}, stallFlag: {with: []string{"recipe", "cache"}}, "store": {},
		"script": {}, "dir": {}, "env": {}, "share": {}, "xchg": {}, "output": {},
		"output-limit": {with: resultFlags}, "output-files": {with: resultFlags},
		"disk": {}, "new-disk": {}, "empty-disk": {}, "kernel": {}, "module": {}, "program": {}, "network": {}, "memory": {}, "cpus": {}, "arch": {}, "machine": {}, "accel": {},
		"timeout": {}, "quiet": {}, "console": {}, "no-tty": {}, "dry-run": {},
	})),

	"network": {
		"name": {not: []string{"print"}}, "set": {not: prints}, stallFlag: {not: prints}, "accel": {not: prints}, "firmware": {not: prints}, "capture": {not: prints}, "joinable": {not: prints}, "backdoor": {not: prints},
		"print": {not: []string{"print-hosts", "dry-run"}}, "print-hosts": {not: []string{"dry-run"}}, "dry-run": {},
	},
	"network link": {"name": {}}, "network status": {"name": {}, "json": {}},
	"test": withSources(map[string]use{
		"set": {on: aRecipe | machinesFile, not: commandList}, "format": {on: aRecipe, not: commandList}, stallFlag: {on: aRecipe | machinesFile, not: commandList},
		"script": {not: commandList}, "kernel": {on: aClosure, way: kernelOfRecipe, not: allLists}, "boot": {not: allLists}, "firmware": {not: allLists}, "memory": {not: allLists}, "only": {not: commandList}, "step-timeout": {not: allLists}, "accel": {not: allLists},
		"junit": {not: allLists}, "results": {not: allLists}, "keep-results": {not: append([]string{"results"}, allLists...)}, "verbose": {not: allLists}, "console": {not: allLists},
		"list": {not: commandList}, "list-commands": {},
	}),
}

var (
	// resultFlags are the flags of exec that take results.
	resultFlags = []string{"output", "xchg", "share"}
	// withoutRecipe are the flags of verify that compare nothing with a recipe.
	withoutRecipe = []string{"digest", "trust", "manifest"}
	// prints are the flags of network that have nothing started, and nothing planned.
	prints = []string{"print", "print-hosts"}
	// commandList and allLists are those of test that have nothing played.
	commandList, allLists = []string{"list-commands"}, []string{"list-commands", "list"}
)
