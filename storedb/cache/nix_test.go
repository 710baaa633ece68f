package cache

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha512"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/storedb"
	"ingot/tests/fstest"
)

// signedCache is a cache of one path that was built, as far as anybody can tell, and is
// signed.
type signedCache struct {
	dir, path string
	key       string
	info      string // the narinfo
	nar       []byte
}

// newSignedCache has Nix sign a path that it did not add by its contents.
func newSignedCache(t testing.TB) *signedCache {
	t.Helper()
	tmp := t.TempDir()
	root, secret, public := filepath.Join(tmp, "root"), filepath.Join(tmp, "secret"), filepath.Join(tmp, "public")
	t.Cleanup(func() { writable(root) })
	store := "local?root=" + root
	nix(t, "nix-store", "--store", store, "--generate-binary-cache-key", "k-1", secret, public)
	key, err := os.ReadFile(public)
	if err != nil {
		t.Fatal(err)
	}
	n := image.NewFile(0o444, image.Bytes(strings.Repeat("what was built ", 100)))
	var nar bytes.Buffer
	if err := storedb.WriteNAR(&nar, n); err != nil {
		t.Fatal(err)
	}
	hash, size, err := storedb.HashNAR(n)
	if err != nil {
		t.Fatal(err)
	}
	s := &signedCache{dir: filepath.Join(tmp, "cache"), path: "/nix/store/" + strings.Repeat("b", 32) + "-built", key: string(key), nar: nar.Bytes()}
	contents, _ := image.ReadAll(n.Data)
	writeAll(t, root, map[string]string{s.path: string(contents), "registration": fmt.Sprintf("%s\n%s\n%d\n\n0\n", s.path, hash.Base16(), size)})
	os.Chmod(filepath.Join(root, s.path), 0o444)
	load := exec.Command("sh", "-c", "nix-store --store 'local?root="+root+"' --load-db < "+filepath.Join(root, "registration"))
	load.Env = append(os.Environ(), "NIX_CONFIG=build-users-group =", "NIX_CONF_DIR="+tmp)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("nix-store --load-db: %v\n%s", err, out)
	}
	nix(t, "nix", "--store", store, "copy", "--to", "file://"+s.dir+"?compression=none&secret-key="+secret, s.path)
	b, err := os.ReadFile(s.narInfo())
	if err != nil {
		t.Fatal(err)
	}
	s.info = string(b)
	return s
}

func (s *signedCache) narInfo() string {
	return filepath.Join(s.dir, strings.Repeat("b", 32)+".narinfo")
}

// nixTakes has real Nix copy the path into a fresh store, and asks for what it knows of it.
func (s *signedCache) nixTakes(t *testing.T) error {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	t.Cleanup(func() { writable(root) })
	home := t.TempDir()
	for _, args := range [][]string{
		{"copy", "--from", "file://" + s.dir, "--to", "local?root=" + root, s.path},
		{"path-info", "--store", "local?root=" + root, "--json", s.path},
	} {
		cmd := exec.Command(fstest.Judge(t, "nix", "nix-bin"), args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "NIX_CONF_DIR=" + home, "LC_ALL=C",
			"NIX_CONFIG=build-users-group =\nsubstitute = false\nexperimental-features = nix-command\ntrusted-public-keys = " + s.key}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("nix %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

// TestOddNarInfos reads narinfos as real Nix does, which is asked as well.
func TestOddNarInfos(t *testing.T) {
	s := newSignedCache(t)
	keys, err := storedb.ParsePublicKeys(s.key)
	if err != nil {
		t.Fatal(err)
	}
	sig := s.info[strings.Index(s.info, "Sig: "):]
	hashes := map[string]string{
		"md5": fmt.Sprintf("%x", md5.Sum(s.nar)), "sha1": fmt.Sprintf("%x", sha1.Sum(s.nar)), "sha512": fmt.Sprintf("%x", sha512.Sum512(s.nar)),
	}
	set := func(key, value string) func(string) string {
		return func(info string) string {
			var lines []string
			for line := range strings.Lines(info) {
				if strings.HasPrefix(line, key+": ") {
					line = key + ": " + value + "\n"
				}
				lines = append(lines, line)
			}
			return strings.Join(lines, "")
		}
	}
	add := func(lines string) func(string) string { return func(info string) string { return info + lines } }
	before := func(lines string) func(string) string { return func(info string) string { return lines + info } }
	zeros := strings.Repeat("0", 52)
	for _, c := range []struct {
		name   string
		change func(string) string
		want   string // of ingot's error; "" if the path is taken
		// noted is what a note says of what is left out.
		noted string
		// nix says whether Nix takes the path. Where it is not what ingot does, why is the reason.
		nix bool
		why string
	}{
		{name: "as it is", change: add(""), nix: true},
		{name: "nonsense for a content address", change: add("CA: nonsense\n"), want: `b.narinfo:10: content address "nonsense" is not of the form`},
		{name: "content address without a method", change: add("CA: sha256:" + zeros + "\n"), want: "is not of the form"},
		{name: "content address of an unknown algorithm", change: add("CA: fixed:r:sha3:" + zeros + "\n"), want: `hash algorithm "sha3" is not known`},
		{name: "content address with too few digits", change: add("CA: fixed:r:sha256:" + zeros[1:] + "\n"), want: "51 digits"},
		{name: "content address of another path", change: add("CA: fixed:r:sha256:" + zeros + "\n"), noted: "its content address fixed:r:sha256:" + zeros + " makes the path /nix/store/",
			why: "Nix warns, and compares contents with it then; here it counts for nothing"},
		{name: "text of another path", change: add("CA: text:sha256:" + zeros + "\n"), noted: "makes the path /nix/store/", why: "as before"},
		{name: "flat file of another path", change: add("CA: fixed:md5:" + strings.Repeat("0", 32) + "\n"), noted: "makes the path /nix/store/", why: "as before"},
		{name: "empty content address", change: add("CA: \n"), nix: true},
		{name: "two content addresses", change: add("CA: text:sha256:" + zeros + "\nCA: text:sha256:" + zeros + "\n"), want: "CA stands twice"},
		{name: "a word for a signature", change: add("Sig: nonsense\n"), noted: `signature "nonsense": is not of the form NAME:BASE64: it is left out`, nix: true},
		{name: "a word for a signature first", change: before("Sig: nonsense\n"), noted: "it is left out", nix: true},
		{name: "signature of another name that is none", change: add("Sig: x:!!!\n"), noted: "it is left out", nix: true},
		{name: "empty signature", change: add("Sig: \n"), noted: "it is left out", nix: true},
		{name: "no signature but a word", change: func(info string) string { return strings.Replace(info, sig, "Sig: nonsense\n", 1) }, want: `is not trusted: signature "nonsense": is not of the form NAME:BASE64`},
		{name: "signature without padding", change: func(info string) string { return strings.Replace(info, sig, strings.TrimRight(sig, "=\n")+"\n", 1) }, nix: true},
		{name: "signature with a blank behind it", change: func(info string) string { return strings.Replace(info, sig, strings.TrimRight(sig, "\n")+" \n", 1) }, nix: true},
		{name: "signature by a name with a blank", change: add("Sig: a b:" + strings.Repeat("A", 86) + "==\n"), noted: "has a name with a blank", nix: true},
		{name: "no signature", change: func(info string) string { return strings.Replace(info, sig, "", 1) }, want: "it is not signed"},
		{name: "hash of the file by md5", change: set("FileHash", "md5:"+hashes["md5"]), nix: true},
		{name: "hash of the file by sha1", change: set("FileHash", "sha1:"+hashes["sha1"]), nix: true},
		{name: "hash of the file by sha512", change: set("FileHash", "sha512:"+hashes["sha512"]), nix: true},
		{name: "another hash of the file", change: set("FileHash", "sha512:"+strings.Repeat("0", 128)), want: "its hash is sha512:", nix: true, why: "Nix never looks at the file's hash"},
		{name: "hash of the file by nothing known", change: set("FileHash", "sha3:"+zeros), want: `hash algorithm "sha3" is not known`},
		{name: "hash of the file without an algorithm", change: set("FileHash", zeros), want: "does not begin with an algorithm"},
		{name: "hash of the NAR by sha512", change: set("NarHash", "sha512:"+hashes["sha512"]), want: "sha256 was expected"},
		{name: "all keys twice, the last ones right", change: func(info string) string {
			return "StorePath: /nix/store/" + strings.Repeat("c", 32) + "-x\nURL: nar/none\nCompression: xz\nFileHash: md5:" + hashes["md5"] + "\nFileSize: 7\nNarHash: sha256:" + zeros + "\nNarSize: 7\nReferences: \nDeriver: " + strings.Repeat("c", 32) + "-x.drv\n" + info
		}, nix: true},
		{name: "the path twice, the last one wrong", change: add("StorePath: /nix/store/" + strings.Repeat("c", 32) + "-x\n"), want: "not trusted"},
		{name: "the size twice, the last one wrong", change: add("NarSize: 7\n"), want: "not trusted"},
		{name: "references twice", change: func(info string) string {
			return "References: " + strings.Repeat("c", 32) + "-x\n" + info
		}, want: "References stands twice"},
		{name: "keys that nobody knows", change: add("System: x86_64-linux\nNonsense: x\n"), nix: true},
		{name: "no deriver", change: add("Deriver: unknown-deriver\n"), nix: true},
		{name: "a word for a deriver", change: add("Deriver: nonsense\n"), want: "is not a store path"},
		{name: "deriver as a whole path", change: add("Deriver: " + s.path + ".drv\n"), want: "is not a store path"},
		{name: "an empty line at the end", change: add("\n"), want: "is an empty line"},
		{name: "cut within the last line", change: func(info string) string { return strings.TrimSuffix(info, "\n") }, want: "it is cut short"},
		{name: "a line without a colon", change: add("nonsense\n"), want: "is not of the form KEY: VALUE"},
		{name: "lines that end as in DOS", change: func(info string) string { return strings.ReplaceAll(info, "\n", "\r\n") }, want: `is not a store path`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(s.narInfo(), []byte(c.change(s.info)), 0o644); err != nil {
				t.Fatal(err)
			}
			items, err := read(t, Options{Keys: keys}, target(t), s.dir, s.path)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("Read = %v\nwant %s", err, c.want)
				}
			} else if err != nil {
				t.Error(err)
			} else if it := items[0]; it.CA != "" || len(it.Sigs) != 1 || "Sig: "+it.Sigs[0]+"\n" != sig || c.noted == "" != (len(it.Notes) == 0) || !strings.Contains(strings.Join(it.Notes, "\n"), c.noted) {
				t.Errorf("item = %+v; want one signature, no content address, and the note %q", it, c.noted)
			}
			nix := s.nixTakes(t)
			if (nix == nil) != c.nix {
				t.Errorf("Nix: %v; want it to take the path: %t", nix, c.nix)
			}
			if (err == nil) != (nix == nil) && c.why == "" {
				t.Errorf("Nix: %v\ningot: %v", nix, err)
			}
		})
	}
}

// TestContentsOfAddress refuses a path whose content address is that of its path, if what it
// holds is something else: by every method.
func TestContentsOfAddress(t *testing.T) {
	right, err := storedb.Nix.AddText("x", "what is right")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"what is right": "", "what's wrong.": "what it holds has the content address text:sha256:"} {
		n := image.NewFile(0o444, image.Bytes(text))
		hash, size, err := storedb.HashNAR(n)
		if err != nil {
			t.Fatal(err)
		}
		var nar bytes.Buffer
		if err := storedb.WriteNAR(&nar, n); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		base, _, _ := strings.Cut(path.Base(right.Path), "-")
		writeAll(t, dir, map[string]string{
			infoName: "StoreDir: /nix/store\n", "nar/x": nar.String(),
			base + ".narinfo": fmt.Sprintf("StorePath: %s\nURL: nar/x\nCompression: none\nNarHash: %s\nNarSize: %d\nReferences: \nCA: %s\n", right.Path, hash, size, right.CA),
		})
		for _, inPlace := range []bool{false, true} {
			items, err := read(t, Options{Unsigned: true, InPlace: inPlace}, target(t), dir, right.Path)
			if want == "" && (err != nil || items[0].CA != right.CA) {
				t.Errorf("%q: %v", text, err)
			}
			if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%q: %v; want %s", text, err, want)
			}
		}
		c, err := Open(context.Background(), Options{Unsigned: true}, dir)
		if err != nil {
			t.Fatal(err)
		}
		paths, err := c.Closure(context.Background(), right.Path)
		if err != nil {
			t.Fatal(err)
		}
		closure, err := storedb.NewClosure(storedb.Nix, c.Items(paths))
		if err != nil {
			t.Fatal(err)
		}
		root := filepath.Join(t.TempDir(), "root")
		t.Cleanup(func() { writable(root) })
		if _, err := storedb.Register(context.Background(), root, closure, storedb.RegisterOptions{Copy: true}); (err == nil) != (want == "") {
			t.Errorf("Register of %q: %v; want %q", text, err, want)
		}
	}
}

// TestCacheInfo reads nix-cache-info as Nix does: a store that it does not name is the own one.
func TestCacheInfo(t *testing.T) {
	for info, want := range map[string]string{
		"StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n": "",
		"StoreDir:/nix/store \r\n":                               "",
		"":                                                       "",
		"WantMassQuery: 1\n":                                     "",
		"StoreDir: /opt/store\n":                                 `its paths are of the store "/opt/store", and /nix/store is expected`,
		"StoreDir: /nix/store\nStoreDir: /opt/store\n": `its paths are of the store "/opt/store"`,
		"StoreDir: \n":            `its paths are of the store "/"`,
		"StoreDir: /nix/store/\n": `its paths are of the store "/nix/store/"`,
	} {
		dir := t.TempDir()
		writeAll(t, dir, map[string]string{infoName: info})
		_, err := Open(context.Background(), Options{}, dir)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("Open with %q: %v; want %q", info, err, want)
		}
		home := t.TempDir()
		cmd := exec.Command(fstest.Judge(t, "nix", "nix-bin"), "path-info", "--store", "file://"+dir, "--all")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "NIX_CONF_DIR=" + home, "NIX_CONFIG=experimental-features = nix-command"}
		if out, err := cmd.CombinedOutput(); (err == nil) != (want == "") {
			t.Errorf("Nix with %q: %v: %s; want %q", info, err, out, want)
		}
		// Guix needs to be told.
		if _, err := Open(context.Background(), Options{Flavour: storedb.Guix}, dir); err == nil {
			t.Errorf("%q passes for a cache of Guix", info)
		}
	}
}
