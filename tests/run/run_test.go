package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	var out strings.Builder
	r := newReport(&out)
	err := r.read(strings.NewReader(`# not JSON
{"Action":"start","Package":"ingot/a"}
{"Action":"run","Package":"ingot/a","Test":"TestGood"}
{"Action":"output","Package":"ingot/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"ingot/a","Test":"TestGood","Output":"    good_test.go:3: a note\n"}
{"Action":"pass","Package":"ingot/a","Test":"TestGood"}
{"Action":"output","Package":"ingot/a","Test":"TestBad","Output":"    bad_test.go:7: got 1; want 2\n"}
{"Action":"output","Package":"ingot/a","Test":"TestBad","Output":"--- FAIL: TestBad (0.00s)\n"}
{"Action":"fail","Package":"ingot/a","Test":"TestBad"}
{"Action":"output","Package":"ingot/a","Test":"TestLeft","Output":"=== RUN   TestLeft\n"}
{"Action":"output","Package":"ingot/a","Test":"TestLeft","Output":"    left_test.go:9: root alone can mount\n"}
{"Action":"output","Package":"ingot/a","Test":"TestLeft","Output":"--- SKIP: TestLeft (0.00s)\n"}
{"Action":"skip","Package":"ingot/a","Test":"TestLeft"}
{"Action":"output","Package":"ingot/a","Output":"FAIL\n"}
{"Action":"output","Package":"ingot/a","Output":"FAIL\tingot/a\t0.1s\n"}
{"Action":"fail","Package":"ingot/a"}
{"Action":"output","Package":"ingot/b","Output":"PASS\n"}
{"Action":"output","Package":"ingot/b","Output":"ok  \tingot/b\t0.2s\n"}
{"Action":"pass","Package":"ingot/b"}
{"Action":"output","Package":"ingot/d","Test":"TestHangs","Output":"panic: test timed out after 1s\n"}
{"Action":"fail","Package":"ingot/d"}
{"Action":"output","Package":"ingot/c","Output":"?   \tingot/c\t[no test files]\n"}
{"Action":"skip","Package":"ingot/c"}
`))
	r.skipped()
	want := `# not JSON
    bad_test.go:7: got 1; want 2
--- FAIL: TestBad (0.00s)
FAIL
FAIL	ingot/a	0.1s
ok  	ingot/b	0.2s
panic: test timed out after 1s
?   	ingot/c	[no test files]
skipped: root alone can mount (1)
	a.TestLeft
`
	if out.String() != want || err != nil {
		t.Errorf("got\n%s%v; want\n%s", out.String(), err, want)
	}
}
