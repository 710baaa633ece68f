package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ingot/tests/testenv"
	"ingot/vm"
)

func TestMain(m *testing.M) {
	testscript.Main(testenv.Tidy(m), map[string]func(){"ingot": main})
}

// TestScript runs the sessions in testdata/script: what a person types, and what is
// answered.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Condition: func(cond string) (bool, error) {
			if cond == "ovmf" {
				_, err := vm.FindUEFI(vm.X86_64)
				return err == nil, nil
			}
			return cond == "root" && os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"only": only,
		},
	})
}

// only FOLDER NAME... fails unless the folder holds just these names.
func only(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	want := map[string]bool{}
	for _, name := range args[1:] {
		want[name] = true
	}
	for _, e := range entries {
		if !want[e.Name()] {
			ts.Fatalf("%s holds %s as well", args[0], e.Name())
		}
		delete(want, e.Name())
	}
	for name := range want {
		ts.Fatalf("%s does not hold %s", args[0], name)
	}
}
