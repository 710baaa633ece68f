package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gossh "golang.org/x/crypto/ssh"
)

// hunter is a secret that is none of the formats which ingot knows.
const hunter = "hunter2-Tr0ub4dor"

// privateKeys returns private keys in the formats that people have them in.
func privateKeys(t *testing.T) map[string]string {
	t.Helper()
	public, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	openssh, err := gossh.MarshalPrivateKey(edwards, "me")
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(edwards)
	if err != nil {
		t.Fatal(err)
	}
	numbers, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	text := base64.StdEncoding.EncodeToString
	minisign := append([]byte("EdScB2"), make([]byte, 152)...)
	_, _ = rand.Read(minisign[6:])
	return map[string]string{
		"openssh":  string(pem.EncodeToMemory(openssh)),
		"rsa":      block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(numbers)),
		"ec":       block("EC PRIVATE KEY", sec1),
		"pkcs8":    block("PRIVATE KEY", pkcs8),
		"ppk":      "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 1\n" + text(public) + "\nPrivate-Lines: 1\n" + text(edwards.Seed()) + "\n",
		"minisign": "untrusted comment: minisign encrypted secret key\n" + text(minisign) + "\n",
		"nix":      "cache.example.org-1:" + text(edwards) + "\n",
		"guix":     "(key-data\n (public-key (ecc (curve Ed25519) (q #" + strings.Repeat("AB", 32) + "#)))\n (private-key (ecc (curve Ed25519) (d #" + strings.ToUpper(hex(edwards.Seed())) + "#))))\n",
	}
}

func hex(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// tells returns the first piece of a secret that a text has, of a length that says
// something of it, or "".
func tells(text, secret string) string {
	const piece = 9
	for line := range strings.Lines(secret) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "-----") || strings.HasPrefix(line, "untrusted comment") || strings.HasPrefix(line, "(key-data") || strings.Contains(line, "public-key") || strings.Contains(line, ": ") {
			continue
		}
		line = strings.TrimPrefix(line, "cache.example.org-1:")
		line = strings.TrimPrefix(line, "(private-key (ecc (curve Ed25519) (d #")
		for i := 0; i+piece <= len(line); i++ {
			if strings.Contains(text, line[i:i+piece]) {
				return line[i : i+piece]
			}
		}
	}
	return ""
}

// typed runs a command line.
func typed(args ...string) (out string, status int) {
	var o, e bytes.Buffer
	status = commandLine(context.Background(), args, &o, &e)
	return o.String() + e.String(), status
}

const secretRecipe = `
name: web
store: {add: [{name: hello, source: hello}]}
disk:
  partitions:
  - {name: root, filesystem: ext4, contents: {store: true}}
`

// TestPrivateKeysAreNotPrinted gives a private key wherever something else is wanted: as a
// file, and as the argument itself.
func TestPrivateKeysAreNotPrinted(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("web.yaml", secretRecipe)
	write("hello", "hello\n")
	for kind, key := range privateKeys(t) {
		write(kind+".key", key)
		indented := "|\n      " + strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n      ") + "\n"
		write(kind+"-ssh.yaml", secretRecipe+"system:\n  kernel: host\n  ssh:\n    keys:\n    - "+indented)
		write(kind+"-cache.yaml", strings.Replace(secretRecipe, "store: {", "store: {closures: [{path: /nix/store/00000000000000000000000000000000-a, cache: https://127.0.0.1:1, keys: ["+`"`+strings.ReplaceAll(strings.TrimSpace(key), "\n", `\n`)+`"]}], `, 1))
		write(kind+"-size.yaml", secretRecipe+"output:\n  format: "+indented)
		file := kind + ".key"
		for _, test := range []struct {
			says bool // what it is
			args []string
		}{
			{true, []string{"build", "rescue", "-o", "r.iso", "--ssh-key", file}},
			{true, []string{"build", "rescue", "-o", "r.iso", "--ssh-key", key}},
			{true, []string{"closure", "--cache", "https://127.0.0.1:1", "--path", "/nix/store/00000000000000000000000000000000-a", "--key", file}},
			{true, []string{"closure", "--cache", "https://127.0.0.1:1", "--path", "/nix/store/00000000000000000000000000000000-a", "--key", key}},
			{false, []string{"build", "web.yaml", "-o", "n", "--format", "netboot", "--sign-key", key, "--sign-cert", file}},
			{false, []string{"build", "web.yaml", "-o", "n", "--format", "netboot", "--sign-key", file, "--sign-cert", file}},
			{true, []string{"verify", ".", "--trust", file}},
			{false, []string{"build", file, "-o", "x.img"}},
			{false, []string{"plan", file}},
			{false, []string{"test", "web.yaml", file}},
			{false, []string{"network", file}},
			{false, []string{"closure", file}},
			{false, []string{"cache", "serve", "c", "--listen", "127.0.0.1:0", "--upload-token-file", file}},
			{false, []string{"plan", "web.yaml", "--set", key}},
			{false, []string{"plan", "web.yaml", "--set", "disk.partitions.root.size=" + key}},
			{false, []string{"plan", "web.yaml", "--set", "nonesuch=" + key}},
			{false, []string{"plan", "web.yaml", "--set", "store.add.nonesuch.name=" + key}},
			{true, []string{"plan", kind + "-ssh.yaml"}},
			{true, []string{"plan", kind + "-cache.yaml"}},
			{false, []string{"plan", kind + "-size.yaml"}},
			{false, []string{"exec", "--env", key, "true"}},
			{false, []string{"exec", "--dir=" + key, "--env=" + key, "true"}},
			{false, []string{"verify", "--digest", key}},
			{false, []string{"run", "--", key}},
			{false, []string{"run", key}},
			{false, []string{"plan", key}},
			{false, []string{"plan", "./" + key}},
			{false, []string{"closure", "why", key, "x"}},
			{false, []string{"--" + key}},
			{false, []string{"verify", ".", "--trust", key}},
			{false, []string{"cache", "serve", "c", "--upload-token-file", key}},
			{false, []string{key}},
			{false, []string{"exec", "--env", "=" + key, "true"}},
		} {
			if test.args[0] == "cache" && kind == "nix" {
				continue // its one line may be a token, and the server starts
			}
			out, status := typed(test.args...)
			shown := strings.NewReplacer(key, "KEY").Replace(strings.Join(test.args, " "))
			if status == 0 {
				t.Errorf("%s: %s: status 0", kind, shown)
			}
			if piece := tells(out, key); piece != "" {
				t.Errorf("%s: %s prints %q of the key:\n%s", kind, shown, piece, out)
			}
			if test.says && !strings.Contains(out, "private key") && !strings.Contains(out, "secret key") && !strings.Contains(out, "private RSA key") && !strings.Contains(out, "private EC key") {
				t.Errorf("%s: %s does not say what it is:\n%s", kind, shown, out)
			}
		}
	}
	for _, name := range []string{"r.iso", "n", "x.img", "out"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
}

// TestSecretsAreNotPrinted gives a secret that looks like any word to each place that
// takes one, right and wrong.
func TestSecretsAreNotPrinted(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HUNTER", hunter)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("hello", "hello\n")
	write("secret", hunter+"\n")
	with := func(partition, rest string) string {
		write("web.yaml", strings.Replace(secretRecipe, "contents: {store: true}", "contents: {store: true}"+partition, 1)+rest)
		return "web.yaml"
	}
	step := func(secrets string) string {
		return "steps:\n- name: s\n  run: [\"true\"]\n  secrets: " + secrets + "\n"
	}
	for _, test := range []struct {
		name  string
		plans bool
		args  func() []string
	}{
		{"passphrase itself", false, func() []string { return []string{"plan", with(", encrypt: luks, passphrase: "+hunter, "")} }},
		{"passphrase in a list", false, func() []string { return []string{"plan", with(", encrypt: luks, passphrase: ["+hunter+"]", "")} }},
		{"passphrase as a key", false, func() []string { return []string{"plan", with(", encrypt: luks, passphrase: {"+hunter+": x}", "")} }},
		{"passphrase as a variable", false, func() []string {
			return []string{"plan", with(", encrypt: luks, passphrase: {environment: "+hunter+"}", "")}
		}},
		{"passphrase as an alias", false, func() []string { return []string{"plan", with(", encrypt: luks, passphrase: *"+hunter, "")} }},
		{"passphrase that is set", false, func() []string {
			return []string{"plan", with("", ""), "--set", "disk.partitions.root.passphrase=" + hunter}
		}},
		{"secret of a step itself", false, func() []string { return []string{"plan", with("", step("{A: "+hunter+"}"))} }},
		{"secrets of a step as one", false, func() []string { return []string{"plan", with("", step(hunter))} }},
		{"a step's in a file", true, func() []string { return []string{"plan", with("", step("{A: {file: secret}}"))} }},
		{"a step's in a variable, as JSON", true, func() []string {
			return []string{"plan", "--json", with("", step("{A: {environment: HUNTER}}"))}
		}},
		{"a step's environment, as JSON", true, func() []string {
			return []string{"plan", "--json", with("", "steps:\n- {name: s, run: [\"true\"], environment: {A: "+hunter+"}}\n")}
		}},
		{"password of iPXE", false, func() []string {
			return []string{"plan", with("", "output: {format: netboot, password: \"$ "+hunter+"\"}\n")}
		}},
		{"a token that others read", false, func() []string {
			write("token", hunter+hunter)
			if err := os.Chmod("token", 0o644); err != nil {
				t.Fatal(err)
			}
			return []string{"cache", "serve", "c", "--listen", "127.0.0.1:0", "--upload-token-file", "token"}
		}},
		{"a token with blanks", false, func() []string {
			write("token", hunter+" "+hunter)
			return []string{"cache", "serve", "c", "--listen", "127.0.0.1:0", "--upload-token-file", "token"}
		}},
		{"a variable without a name", false, func() []string { return []string{"exec", "--env", "=" + hunter, "true"} }},
		{"a variable of a container without a name", false, func() []string {
			return []string{"convert", with("", ""), "-o", "x.tar", "--format", "docker", "--env", "=" + hunter}
		}},
		{"a URL with a password", false, func() []string {
			return []string{"closure", "--cache", "http://me:" + hunter + "@127.0.0.1:1", "--path", "/nix/store/00000000000000000000000000000000-a"}
		}},
		{"a text in the image", true, func() []string {
			return []string{"plan", "--json", with("", "") + "", "--set", "disk.partitions.root.contents.files=[{path: /etc/shadow, mode: 0600, text: \"root:" + hunter + ":::\"}]"}
		}},
	} {
		args := test.args()
		out, status := typed(args...)
		if (status == 0) != test.plans {
			t.Errorf("%s: status %d:\n%s", test.name, status, out)
		}
		if strings.Contains(out, "hunter2") {
			t.Errorf("%s: it is printed:\n%s", test.name, out)
		}
	}
}

// TestKeyWithoutSystem: a key for ssh is refused by its flag where there is no system that it
// could let someone into; what else is wrong with a recipe comes first.
func TestKeyWithoutSystem(t *testing.T) {
	t.Chdir(t.TempDir())
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := gossh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		text, want string
		status     int
	}{
		"data.yaml":  {dataDisk, "ingot: build: --ssh-key: data.yaml has no system of ingot's own (system.kernel) that could use the key\n", exitUsage},
		"wrong.yaml": {dataDisk + "bogus: 1\n", "bogus: unknown key", exitRecipe},
	} {
		if err := os.WriteFile(name, []byte(x.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if status, _, errout := ingot("build", name, "--ssh-key", string(gossh.MarshalAuthorizedKey(key)), "-o", "x.img"); status != x.status || !strings.Contains(errout, x.want) {
			t.Errorf("%s: status %d: %s; want %d: %s", name, status, errout, x.status, x.want)
		}
	}
}
