package shell

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
)

// complete finishes the word before the cursor at a tab: the first word of a
// command with the name of a command, others with the path of a file. It adds as
// much as all that fits has in common.
func (s *Shell) complete(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' {
		return "", 0, false
	}
	start := strings.LastIndexAny(line[:pos], " \t;|&()<>") + 1
	word := line[start:pos]
	var candidates []string
	if !strings.Contains(word, "/") && startsCommand(line[:start]) {
		candidates = s.commands(word)
	} else {
		candidates = s.paths(word)
	}
	added := commonPrefix(candidates)
	if len(added) <= len(word) {
		return line, pos, true
	}
	if len(candidates) == 1 && !strings.HasSuffix(added, "/") {
		added += " "
	}
	return line[:start] + added + line[pos:], start + len(added), true
}

// startsCommand returns whether a command's name follows this part of a line.
func startsCommand(before string) bool {
	before = strings.TrimRight(before, " \t")
	return before == "" || strings.IndexByte(";|&(", before[len(before)-1]) >= 0
}

func (s *Shell) commands(prefix string) []string {
	builtins := []string{"cd", "exit", "export", "unset", "set", "alias", "source", "wait", "exec", "eval", "read"}
	found := slices.Concat(s.Applets, builtins)
	path := os.Getenv("PATH")
	if v, ok := s.runner.Vars["PATH"]; ok && v.Kind == expand.String {
		path = v.Str
	}
	for _, dir := range filepath.SplitList(path) {
		entries, _ := os.ReadDir(dir) // an unreadable folder has no programs to run
		for _, e := range entries {
			found = append(found, e.Name())
		}
	}
	found = slices.DeleteFunc(found, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	slices.Sort(found)
	return slices.Compact(found)
}

func (s *Shell) paths(word string) []string {
	dir, base := filepath.Split(word)
	look := dir
	if !filepath.IsAbs(look) {
		look = filepath.Join(s.runner.Dir, dir)
	}
	entries, _ := os.ReadDir(look)
	var found []string
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || base == "" && name[0] == '.' || strings.ContainsAny(name, " \t'\"$\\;&|<>()") {
			continue // names that need quotes are not completed
		}
		if info, err := os.Stat(filepath.Join(look, name)); err == nil && info.IsDir() {
			name += "/"
		}
		found = append(found, dir+name)
	}
	return found
}

func commonPrefix(words []string) string {
	if len(words) == 0 {
		return ""
	}
	prefix := words[0]
	for _, w := range words {
		for !strings.HasPrefix(w, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	return prefix
}
