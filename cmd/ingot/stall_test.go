package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ingot/internal/stall"
	"ingot/storedb"
	"ingot/storedb/cache"
	"ingot/tests/testenv"
)

// TestStalledServers has real servers that say nothing, or too little: one that takes
// connections and never answers, one whose TLS never begins, and a byte at a time.
func TestStalledServers(t *testing.T) {
	testenv.Slow(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	drip := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write([]byte("S"))
			w.(http.Flusher).Flush()
			time.Sleep(time.Millisecond)
		}
	}))
	defer drip.Close()
	hold := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer hold.Close()
	var tries sync.WaitGroup // each takes a while, since ingot tries five times
	for _, url := range []string{"http://" + silent.Addr().String(), "https://" + silent.Addr().String(), drip.URL, hold.URL} {
		tries.Go(func() {
			status, _, talk := ingot("closure", "--cache", url, "--path", "/nix/store/00000000000000000000000000000000-x", "--stall-timeout", "300ms")
			if status != 1 || !strings.Contains(talk, " came within 300ms") || !strings.Contains(talk, "(5 attempts)") || !strings.Contains(talk, "hint: wait longer with --stall-timeout") {
				t.Errorf("%s: status %d: %s", url, status, talk)
			}
		})
	}
	tries.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	o := fetching(nil)
	o.Flavour = storedb.Nix
	if _, err := cache.Open(ctx, o, hold.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	for _, text := range []string{"0s", "-1s", "x"} {
		if status, _, talk := ingot("closure", "--cache", hold.URL, "--path", "/nix/store/x", "--stall-timeout", text); status != exitUsage || !strings.Contains(talk, "stall-timeout") {
			t.Errorf("--stall-timeout %s: status %d: %s", text, status, talk)
		}
	}
}

// TestStallFlag: every verb that takes a recipe, whose closure a cache may have, or a --cache
// says how long it waits for one.
func TestStallFlag(t *testing.T) {
	for _, c := range newRoot().Commands() {
		may := c.Flags().Lookup("set") != nil || c.Flags().Lookup("cache") != nil
		if has := c.Flags().Lookup(stallFlag) != nil; has != may {
			t.Errorf("%s has --%s: %v; want %v", c.Name(), stallFlag, has, may)
		}
	}
}

// TestStallHint: exec, which says by itself what went wrong, names the flag like the others.
func TestStallHint(t *testing.T) {
	err := fmt.Errorf("cache: %w", &stall.Error{Waited: time.Minute, Got: -1})
	const want = "wait longer with --stall-timeout"
	if got := (&execFlags{}).hint(newExec(), err); got != want {
		t.Errorf("exec's hint is %q; want %q", got, want)
	}
	if got := hint(newBuild(), err); got != want {
		t.Errorf("build's hint is %q; want %q", got, want)
	}
	if got := hint(newVersion(), err); got != "" {
		t.Errorf("the hint of a verb without the flag is %q", got)
	}
}
