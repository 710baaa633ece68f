package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"ingot/tests/testenv"
)

// shellWords splits a line of a document into commands and their words, as a shell would:
// quotes, comments, what stands between commands, and redirections.
func shellWords(line string) (commands [][]string) {
	var words []string
	var word strings.Builder
	begun, skip := false, false
	end := func() {
		if begun && !skip {
			words = append(words, word.String())
		}
		skip = skip && !begun
		word.Reset()
		begun = false
	}
	next := func() {
		end()
		if len(words) > 0 {
			commands = append(commands, words)
		}
		words, skip = nil, false
	}
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, begun = c, true
		case c == '#' && !begun:
			next()
			return commands
		case c == ' ' || c == '\t':
			end()
		case c == '|' || c == ';' || c == '&' || c == ')':
			next()
		case c == '(' && strings.HasSuffix(word.String(), "$"):
			word.Reset() // $(command) is a command, and its output a word
			begun, skip = true, false
			word.WriteString("OUTPUT")
			depth, j := 1, i+1
			for ; j < len(line) && depth > 0; j++ {
				depth += strings.Count(line[j:j+1], "(") - strings.Count(line[j:j+1], ")")
			}
			commands = append(commands, shellWords(line[i+1:j-1])...)
			i = j - 1
		case c == '>' || c == '<':
			end()
			skip = true
			for i+1 < len(line) && (line[i+1] == '>' || line[i+1] == '<') {
				i++
			}
		default:
			begun = true
			word.WriteByte(c)
		}
	}
	next()
	return commands
}

func TestShellWords(t *testing.T) {
	got := fmt.Sprintf("%q", shellWords(`FOO=1 bin/ingot run $(ingot recipes a) --x "b c" 'd|e' > out <<END | tar tv; ingot ps & echo x # y`))
	want := `[["ingot" "recipes" "a"] ["FOO=1" "bin/ingot" "run" "OUTPUT" "--x" "b c" "d|e"] ["tar" "tv"] ["ingot" "ps"] ["echo" "x"]]`
	if got != want {
		t.Errorf("shellWords = %s; want %s", got, want)
	}
}

// checkLine holds the words after "ingot" against the verbs and their flags.
func checkLine(args []string) error {
	root := newRoot()
	verb, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if verb == root && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return unknownCommand(root, args)
	}
	verb.InitDefaultHelpFlag()
	verb.InitDefaultVersionFlag()
	if err := verb.ParseFlags(rest); err != nil {
		return err
	}
	return verb.ValidateArgs(verb.Flags().Args())
}

// TestDocumentedLines reads every line of the README, of the docs and of --help that calls
// ingot: its verb and its flags exist, and take what they are given.
func TestDocumentedLines(t *testing.T) {
	root := testenv.Root(t)
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	prompt := regexp.MustCompile(`^\s*\$ (.*)$`)
	seen := 0
	check := func(where, line string) {
		t.Helper()
		for _, words := range shellWords(line) {
			for len(words) > 0 && (strings.Contains(words[0], "=") || words[0] == "sudo" || words[0] == "time") {
				words = words[1:]
			}
			if len(words) == 0 || filepath.Base(words[0]) != "ingot" {
				continue
			}
			seen++
			if err := checkLine(words[1:]); err != nil {
				t.Errorf("%s: %s: %v", where, line, err)
			}
		}
	}
	for _, file := range append(files, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		for i := 0; i < len(lines); i++ {
			m := prompt.FindStringSubmatch(lines[i])
			if m == nil {
				continue
			}
			where, line := fmt.Sprintf("%s:%d", filepath.Base(file), i+1), m[1]
			for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
				i++
				line = strings.TrimSuffix(line, `\`) + strings.TrimPrefix(strings.TrimSpace(lines[i]), "> ")
			}
			if strings.Contains(line, "...") || strings.Contains(line, "[") && strings.Contains(line, "]") {
				continue // a form, and not a line
			}
			check(where, line)
		}
	}
	if seen < 40 {
		t.Errorf("only %d lines call ingot; the documents have more", seen)
	}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			check(c.CommandPath()+" --help", strings.TrimSpace(line))
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot())
}
