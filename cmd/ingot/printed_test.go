package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"ingot/internal/printable"
	"ingot/lab/scenario"
	"ingot/storedb"
	"ingot/vm/network"
	"ingot/vm/run"
)

// evil is what others may call something: it renames a terminal's window, sets colours as
// a rune and as a byte, turns the reading direction, hides itself, and begins a line.
const evil = "x\x1b]0;pwned\x07\u009b31m\x9b31m\u202egnp\u200b\u2028\rnew\nforged: line\ty"

// harmless fails if something of evil would reach a terminal.
func harmless(t *testing.T, what string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if got := printable.Text(text); got != text {
			t.Errorf("%s prints %q", what, text)
		}
		if strings.Contains("\n"+text, "\nforged") {
			t.Errorf("%s prints a line that is not its own: %q", what, text)
		}
	}
}

// rudeServer is an HTTP server whose answers are evil, and returns its URL.
func rudeServer(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.Read(make([]byte, 1<<12))
				io.WriteString(c, answer)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// selfSigned returns a certificate in PEM.
func selfSigned(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestPrinted has verbs speak of what others have named, and looks at every byte.
func TestPrinted(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	quoted := strconv.QuoteToASCII(strings.ToValidUTF8(evil, "?")) // as YAML has it, too
	inJSON, _ := json.Marshal(evil)
	recipe := func(name, format string) string {
		return file(name, fmt.Sprintf(format, quoted))
	}
	const item = "/nix/store/00000000000000000000000000000001-a"
	file("notes/"+evil, "a note")
	file("folder/"+evil, "no signature")
	file("folder/"+evil+".sig", "no file")
	file("folder/"+evil+"2.sig", "no file")
	image := checkedImage(t, "raw")
	evilImage := file(evil+".img", strings.Repeat("\x00", 4096))
	root := filepath.Join(dir, "root")
	file("items/00000000000000000000000000000001-a/file", "text")
	graph := file("graph", item+"\n\n0\n")
	if code, _, errout := ingot("register", "--root", root, "--graph", graph, "--from", filepath.Join(dir, "items"), "--copy"); code != 0 {
		t.Fatalf("register: %s", errout)
	}
	file("root/nix/store/00000000000000000000000000000002-stray"+evil, "stray")
	if err := os.Symlink("/nix/store/00000000000000000000000000000004-gone"+evil, filepath.Join(root, "nix/var/nix/gcroots", evil)); err != nil {
		t.Fatal(err)
	}
	trusted := file("root.pem", selfSigned(t))
	status := rudeServer(t, "HTTP/1.1 403 "+strings.ReplaceAll(evil, "\n", " ")+"\r\n\r\n"+evil)
	info := rudeServer(t, "HTTP/1.1 200 OK\r\n\r\nStoreDir: "+evil+"\nStorePath: "+evil+"\n")

	for _, args := range [][]string{
		{evil},
		{"plan", evil},
		{"plan", "--" + evil},
		{"build", recipe("title.yaml", "name: a\ndisk: {partitions: [{name: root, filesystem: ext4, label: %s}]}\n"), "-o", filepath.Join(dir, "a.img")},
		{"plan", recipe("name.yaml", "name: %s\n")},
		{"plan", recipe("key.yaml", "name: a\n%s: b\n")},
		{"plan", recipe("entry.yaml", `name: a
disk: {partitions: [{name: root, filesystem: ext4, contents: {files: [{path: /k, text: k}, {path: /i, text: i}]}}]}
bootloader: {entries: [{title: %s, kernel: /k, initrd: [/i]}]}
output: netboot
`)},
		{"plan", file("files.yaml", fmt.Sprintf("name: a\ndisk: {partitions: [{name: root, filesystem: ext4, contents: {files: [{path: /srv, source: %s}]}}]}\n", filepath.Join(dir, "notes")))},
		{"plan", "--json", filepath.Join(dir, "files.yaml")},
		{"plan", recipe("source.yaml", "name: a\ndisk: {partitions: [{name: root, filesystem: ext4, contents: {files: [{path: /srv, source: %s}]}}]}\n")},
		{"recipes", evil},
		{"convert", evilImage, "--format", "docker", "-o", filepath.Join(dir, "out")},
		{"convert", image, "--format", evil, "-o", filepath.Join(dir, "out")},
		{"convert", image, "-o", filepath.Join(dir, evil, evil)},
		{"verify", "--digest", evilImage},
		{"verify", filepath.Join(dir, "files.yaml"), evilImage},
		{"verify", filepath.Join(dir, "files.yaml"), evilImage, "--json"},
		{"verify", filepath.Join(dir, "folder"), "--trust", trusted},
		{"check", evilImage},
		{"check", "--root", root},
		{"check", "--root", root, "--json"},
		{"register", "--root", filepath.Join(dir, "new"), "--registration", file("registration", evil+"\n"+evil)},
		{"register", "--root", filepath.Join(dir, "new"), "--graph", file("evil graph", item+evil+"\n\n0\n")},
		{"closure", file("evil.json", `[{"path":`+string(inJSON)+`}]`)},
		{"closure", graph, "--drop", evil},
		{"closure", "why", evil, "--graph", graph},
		{"closure", "--path", item, "--cache", status},
		{"closure", "--path", item, "--cache", info},
		{"closure", "--path", item, "--cache", "http://127.0.0.1:1/" + evil},
		{"stop", evil},
		{"shell", evil},
		{"network", evil},
		{"network", recipe("net.yaml", "machines: {%s: {}}\n")},
		{"network", "link", evil, "down"},
		{"test", evil},
		{"test", file("lab.yaml", "machines: {a: {recipe: rescue}}\ntests: {"+quoted+": "+quoted+"}\n"), "--list"},
		{"run", evil},
		{"exec", "--disk", evil, "--", "true"},
		{"serve", evil},
	} {
		code, out, errout := ingot(args...)
		if out+errout == "" {
			t.Errorf("%q prints nothing (%d)", args, code)
		}
		harmless(t, fmt.Sprintf("%q", args), out, errout)
	}
}

// TestPrintedOfMachines is TestPrinted for what only a machine, or a network of them, would
// have the verbs print.
func TestPrintedOfMachines(t *testing.T) {
	shown := func(what string, show func(out io.Writer)) {
		t.Helper()
		var b bytes.Buffer
		w := printable.NewWriter(&b)
		show(w)
		w.Flush()
		if b.Len() == 0 {
			t.Errorf("%s prints nothing", what)
		}
		harmless(t, what, b.String())
	}
	shown("ps", func(out io.Writer) {
		c := newPs()
		c.SetOut(out)
		if err := printMachines(c, []run.Entry{{Name: evil, What: evil, Boot: run.Boot(evil)}}); err != nil {
			t.Error(err)
		}
	})
	shown("network status", func(out io.Writer) {
		s := &network.Status{Machines: []network.MachineStatus{{Name: evil, Cards: []network.CardStatus{{Address: evil, MAC: evil}, {Connected: true, Address: evil}}}}}
		s.Links = []network.LinkStatus{{Between: []string{evil}, State: evil}}
		if err := printNetwork(out, s); err != nil {
			t.Error(err)
		}
	})
	shown("register", func(out io.Writer) {
		(&registerFlags{root: evil}).print(out, &storedb.Registered{Kept: []string{evil}, Links: map[string]string{evil: evil}}, time.Now())
	})
	shown("test", func(out io.Writer) {
		tellResult(out, &scenario.Result{Name: evil, Err: errors.New(evil), Failed: "lab.yaml:7: " + strings.ReplaceAll(evil, "\n", " ")})
		tellResult(out, &scenario.Result{Name: evil})
		tellStep(out, scenario.StepResult{Text: evil, Failed: evil, Notes: []string{evil}})
	})
	shown("a guest's error", func(out io.Writer) { sayError(out, errors.New("guest: "+evil), "") })
	shown("a line without end", func(out io.Writer) {
		var b bytes.Buffer
		sayError(&b, errors.New("begin "+strings.Repeat("x", 17<<10)+" end"), "")
		if s := b.String(); len(s) > longestLine+100 || !strings.HasPrefix(s, "ingot: begin x") || !strings.HasSuffix(s, "x end\n") {
			t.Errorf("an error of 17 KiB on one line is printed as %.80q…, %d bytes", s, len(s))
		}
		out.Write(b.Bytes())
	})
	shown("names with a line feed", func(out io.Writer) {
		var b bytes.Buffer
		err := errors.Join(fmt.Errorf("one: %w", &os.PathError{Op: "open", Path: evil, Err: os.ErrNotExist}), &os.LinkError{Op: "link", Old: evil + "1", New: evil + "2", Err: os.ErrExist}, errors.New("argument "+evil+"3"))
		sayError(&b, err, "", "verb", evil+"3")
		if got := strings.Count(b.String(), "\n"); got != 3 {
			t.Errorf("three errors are printed on %d lines: %q", got, b.String())
		}
		out.Write(b.Bytes())
	})
	shown("a guest that says too much", func(out io.Writer) { sayError(out, errors.New(strings.Repeat(evil, 1<<16)), "") })

	var report bytes.Buffer
	results := []*scenario.Result{{Name: evil, Failed: evil, Err: errors.New(evil), Consoles: []scenario.Console{{Machine: evil, Text: evil}}}}
	if err := scenario.WriteJUnit(&report, evil, results); err != nil {
		t.Fatal(err)
	}
	if text := report.String(); printable.Text(text) != text {
		t.Errorf("the JUnit report is %q", text)
	}
}

// TestHintOfEvilName: what to do next names a file as the error before it does.
func TestHintOfEvilName(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(evil, []byte("a text\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"verify", "--digest", "check"} {
		status, out, errout := ingot(verb, evil)
		if status == 0 || !strings.Contains(errout, "\nhint: ") {
			t.Errorf("%s: status %d: %s; want a hint", verb, status, errout)
		}
		harmless(t, verb, out, errout)
	}
}
