package scenario

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestFetchElsewhere has a guest send the host on: to its own pages the host goes, and to
// no others, such as those of the host itself.
func TestFetchElsewhere(t *testing.T) {
	asked := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	defer other.Close()
	guest := http.NewServeMux()
	guest.Handle("/own", http.RedirectHandler("/page", http.StatusFound))
	guest.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	guest.Handle("/other", http.RedirectHandler(other.URL+"/secret", http.StatusFound))
	guest.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("a page")) })
	s := httptest.NewServer(guest)
	defer s.Close()
	for path, want := range map[string]int{"/own": http.StatusOK, "/other": http.StatusFound} {
		body, status, err := getPage(t.Context(), s.URL+path)
		if err != nil || status != want || status == http.StatusOK && body != "a page" {
			t.Errorf("getPage(%s) = %q, %d, %v; want %d", path, body, status, err, want)
		}
	}
	if body, status, err := getPage(t.Context(), s.URL+"/round"); err == nil {
		t.Errorf("getPage of what leads to itself = %q, %d; want an error", body, status)
	}
	select {
	case path := <-asked:
		t.Errorf("the host was sent to %s elsewhere", path)
	default:
	}
}
