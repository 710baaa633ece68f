package applet

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"ingot/internal/lazy"
)

// patterns are those that grep looks for, as one expression that finds the leftmost
// and longest match, as POSIX has it.
type patterns struct {
	first *regexp.Regexp // at the start of a line
	later *regexp.Regexp // behind an earlier match
	group int            // which part of the expression is the match
}

// patternOptions are the options of grep for patterns.
type patternOptions struct{ fixed, extended, fold, word, line bool }

// compilePatterns reads patterns of which each may be several, a line each.
func compilePatterns(list []string, o patternOptions) (*patterns, error) {
	var parts []string
	for _, p := range list {
		for part := range strings.SplitSeq(p, "\n") {
			expr := regexp.QuoteMeta(part)
			if !o.fixed {
				var err error
				if expr, err = translate(part, o.extended); err != nil {
					return nil, fmt.Errorf("pattern %q: %w", part, err)
				}
			}
			parts = append(parts, expr)
		}
	}
	if len(parts) == 0 {
		parts = []string{`\z\A.`} // it matches nothing
	}
	expr := "(?:" + strings.Join(parts, "|") + ")"
	p := &patterns{}
	flags := "(?s)"
	if o.fold {
		flags = "(?si)"
	}
	first, later := expr, expr
	switch {
	case o.line:
		first, later = `\A`+expr+`\z`, `\z\A.`
	case o.word:
		first, later = `(?:\A|\W)(`+expr+`)(?:\W|\z)`, `\W(`+expr+`)(?:\W|\z)`
		p.group = 1
	}
	for _, c := range []struct {
		expr string
		to   **regexp.Regexp
	}{{first, &p.first}, {later, &p.later}} {
		re, err := regexp.Compile(flags + c.expr)
		var wrong *syntax.Error
		if errors.As(err, &wrong) {
			return nil, fmt.Errorf("pattern %q: %s", strings.Join(list, "\n"), wrong.Code)
		}
		if err != nil {
			return nil, err
		}
		re.Longest()
		*c.to = re
	}
	return p, nil
}

func (p *patterns) match(line string) bool { return p.first.MatchString(line) }

// all returns the matches in a line that are not empty.
func (p *patterns) all(line string) (found []string) {
	if p.group == 0 {
		found = p.first.FindAllString(line, -1)
		return slices.DeleteFunc(found, func(match string) bool { return match == "" })
	}
	for from, re := 0, p.first; from <= len(line); re = p.later {
		m := re.FindStringSubmatchIndex(line[from:])
		if m == nil {
			break
		}
		start, end := from+m[2*p.group], from+m[2*p.group+1]
		from = end
		if start < end {
			found = append(found, line[start:end])
			from-- // for the byte before the next one is looked at
		}
	}
	return found
}

// translate writes an expression of POSIX as Go has it.
func translate(p string, extended bool) (string, error) {
	t := translator{rest: p, extended: extended}
	return t.alternatives(0)
}

type translator struct {
	rest     string
	extended bool
}

// token takes one character, or a backslash and the character behind it.
func (t *translator) token() (char byte, escaped bool, err error) {
	char, t.rest = t.rest[0], t.rest[1:]
	if char != '\\' {
		return char, false, nil
	}
	if t.rest == "" {
		return 0, false, errors.New("the pattern ends with a backslash")
	}
	char, t.rest = t.rest[0], t.rest[1:]
	return char, true, nil
}

// alternatives translates up to the end, or up to the end of a group.
func (t *translator) alternatives(depth int) (string, error) {
	var out strings.Builder
	atom := "" // the last one, which may be repeated
	begins := true
	for t.rest != "" {
		char, escaped, err := t.token()
		if err != nil {
			return "", err
		}
		next := ""
		switch operator := escaped != t.extended; {
		case char == '[' && !escaped:
			next, err = t.bracket()
		case char == '.' && !escaped:
			next = "."
		case char == '^' && !escaped && (t.extended || begins):
			next = `\A`
		case char == '$' && !escaped && (t.extended || t.ends()):
			next = `\z`
		case char == '(' && operator:
			next, err = t.alternatives(depth + 1)
			next = "(?:" + next + ")"
		case char == ')' && operator && depth > 0:
			return out.String() + atom, nil
		case char == ')' && operator && !t.extended:
			err = errors.New(") without (")
		case char == '|' && operator:
			out.WriteString(atom + "|")
			atom, begins = "", true
			continue
		case char == '*' && !escaped || strings.IndexByte("+?{", char) >= 0 && operator:
			sign := string(char)
			if char == '{' {
				sign, err = t.interval()
			}
			if atom != "" && err == nil && sign != `\{` && atom != `\A` {
				atom = "(?:" + atom + ")" + sign
				continue
			}
			if next = regexp.QuoteMeta(sign); sign == `\{` {
				next = sign
			} else if t.extended {
				continue // it repeats nothing
			}
		case escaped:
			next, err = escape(char)
		default:
			next = regexp.QuoteMeta(string([]byte{char}))
		}
		if err != nil {
			return "", err
		}
		out.WriteString(atom)
		atom, begins = next, false
	}
	if depth > 0 {
		return "", errors.New("( without )")
	}
	return out.String() + atom, nil
}

// ends says whether $ of a basic expression is an anchor there.
func (t *translator) ends() bool {
	return t.rest == "" || strings.HasPrefix(t.rest, `\)`) || strings.HasPrefix(t.rest, `\|`)
}

// escape translates a backslash and the character behind it.
func escape(char byte) (string, error) {
	switch {
	case strings.IndexByte("wWsSbB", char) >= 0:
		return `\` + string(char), nil
	case char == '<' || char == '>':
		return `\b`, nil
	case char == '`':
		return `\A`, nil
	case char == '\'':
		return `\z`, nil
	case digit(char):
		return "", errors.New(`references such as \1 are not supported`)
	}
	return regexp.QuoteMeta(string([]byte{char})), nil
}

// Intervals are {2}, {2,}, {,3} and {2,3}, the braces of a basic expression with a backslash.
var (
	basicInterval    = lazy.Regexp(`^(?:(\d+)(,\d*)?|(,\d+))\\\}`)
	extendedInterval = lazy.Regexp(`^(?:(\d+)(,\d*)?|(,\d+))\}`)
)

// interval reads an interval behind its {. In an extended expression a { without an interval is a brace.
func (t *translator) interval() (string, error) {
	form := basicInterval
	if t.extended {
		form = extendedInterval
	}
	m := form().FindStringSubmatch(t.rest)
	switch {
	case m != nil:
		t.rest = t.rest[len(m[0]):]
		return "{" + cmp.Or(m[1], "0") + m[2] + m[3] + "}", nil
	case t.extended:
		return `\{`, nil
	}
	return "", fmt.Errorf("{%s is not a number of repeats", t.rest)
}

// bracket reads a bracket expression behind its [. In Go's a backslash is special, in POSIX's it is not.
func (t *translator) bracket() (string, error) {
	out := "["
	if rest, negated := strings.CutPrefix(t.rest, "^"); negated {
		out, t.rest = "[^", rest
	}
	for first := true; t.rest != ""; first = false {
		if class, after, ok := bracketed(t.rest, "[:", ":]"); ok {
			out, t.rest = out+"[:"+class+":]", after
			continue
		}
		if strings.HasPrefix(t.rest, "[=") || strings.HasPrefix(t.rest, "[.") {
			return "", errors.New("[=x=] and [.x.] are not supported")
		}
		char := t.rest[0]
		t.rest = t.rest[1:]
		switch {
		case char == ']' && !first:
			return out + "]", nil
		case strings.IndexByte(`\[]^`, char) >= 0:
			out += `\`
		}
		out += string([]byte{char})
	}
	return "", errors.New("[ without ]")
}
