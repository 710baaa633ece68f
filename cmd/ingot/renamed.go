package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// formerVerbs says what verbs of earlier versions are called now.
var formerVerbs = map[string]string{
	"digest":            "ingot verify --digest IMAGE",
	"schema":            "ingot recipes --schema",
	"verify-signatures": "ingot verify FOLDER --trust FILE",
}

// formerFlags says, verb by verb, what flags of earlier versions are called now.
var formerFlags = map[string]map[string]string{
	"build":          {"as": "--format", "dry-run": "ingot plan RECIPE", "test-timeout": "--test-step-timeout"},
	"convert":        {"as": "--format"},
	"serve":          {"cow": "--overlay"},
	"run":            {"disk-image": "--overlay", "keep": "--overlay NAME.qcow2", "no-backdoor": "--backdoor=false", "no-network": "--network=none", "restrict-network": "--network=restricted"},
	"exec":           {"shared": "--share"},
	"stop":           {"timeout": "--grace"},
	"network":        {"listen": "--joinable"},
	"network link":   {"network": "--name"},
	"network status": {"network": "--name"},
	"test":           {"timeout": "--step-timeout", "keep": "--keep-results"},
}

// former returns the answer to a flag that a verb had in an earlier version, and nil if it
// had none of that name.
func former(c *cobra.Command, flag string) error {
	now := formerFlags[verbName(c)][flag]
	if now == "" {
		return nil
	}
	return usageError{fmt.Errorf("%s: --%s is now %s", verbName(c), flag, now)}
}
