package script

import (
	"os"
	"strings"
	"testing"
)

// TestParse refuses what cannot be meant, with its line, and says what was probably meant.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "t.yaml:10: test page has no steps",
		"strat web":                          `t.yaml:10: there is no command "strat"; did you mean "start"?`,
		"start\n\nstart wbe":                 `t.yaml:12: start: there is no machine "wbe"; did you mean "web"? (start [MACHINE...])`,
		"mail: run true":                     `t.yaml:10: there is no machine "mail"; there are web, client`,
		"run true":                           "t.yaml:10: run: of which machine? begin the line with its name and a colon; there are web, client",
		"web: key ctrl-alt-f13":              `t.yaml:10: key: key "f13" is unknown to QEMU; near it are f1, f3, f10`,
		"web: type grüß":                     `t.yaml:10: type: 'ü' is on no key of a keyboard of the United States`,
		"web: wait 10 port 80":               `t.yaml:10: wait: there is no condition "10"`,
		"web: wait port 0":                   `t.yaml:10: wait: a port: "0" where a number from 1 to 65535 belongs (port NUMBER)`,
		"web: eventually port 80":            `t.yaml:10: eventually: "port" is no time, such as 500ms, 10s or 2m`,
		"web: wait line /(/":                 "t.yaml:10: wait: error parsing regexp: missing closing )",
		"web: wait line \"no end":            "t.yaml:10: wait: the quotes do not end where the line does",
		"start \"web":                        `t.yaml:10: start: "web: the quotes do not end`,
		"web: status -1":                     `t.yaml:10: status: the status: "-1" where a number from 0 to 999 belongs`,
		"web: poweroff now":                  `t.yaml:10: poweroff: what is "now" for? (poweroff)`,
		"web: screenshot ../out.png":         `t.yaml:10: screenshot: "../out.png" is no name of a picture, such as login.png`,
		"web: compare a.png b.png 200%":      `t.yaml:10: compare: "200%" is no tolerance, such as 2%`,
		"web: copy up a b":                   `t.yaml:10: copy: there is no way "up"`,
		"web: shell consol":                  `t.yaml:10: shell: there is no shell "consol"; did you mean "console"?`,
		"link web clinet down":               "",
		"web: qmp query-status {":            "t.yaml:10: qmp: { is not JSON",
		"web: run a\nbogus\nclient: bogus 2": "t.yaml:11: there is no command \"bogus\"; there are start, poweroff",
	} {
		_, err := Parse("page", "t.yaml", 10, text, []string{"web", "client"})
		if want == "" {
			if err != nil {
				t.Errorf("Parse(%q): %v", text, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Parse(%q) = %v; want %s", text, err, want)
		}
	}
}

// TestParseCarriesMachine has a line that names no machine be for that of the line before.
func TestParseCarriesMachine(t *testing.T) {
	_, err := Parse("page", "t.yaml", 1, "start # all\nweb: fetch 80 /\n status 200\nclient: run true\nfetch 8080\nweb: reboot", []string{"web", "client"})
	if err == nil || !strings.Contains(err.Error(), `there is no machine "#"`) {
		t.Errorf("a comment behind a command: %v; want it refused", err)
	}
	s, err := Parse("page", "t.yaml", 1, "# all\nstart\nweb: fetch 80 /\n status 200\nclient: run true\nfetch 8080\nweb: reboot", []string{"web", "client"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, step := range s.Steps {
		got = append(got, step.Machine)
	}
	if want := ",web,web,client,client,web"; strings.Join(got, ",") != want {
		t.Errorf("machines = %q; want %q", got, want)
	}
	if p := s.Ports("client"); len(p) != 1 || p[0] != 8080 {
		t.Errorf("Ports(client) = %v; want 8080", p)
	}
	if !s.Restarts("web") || s.Restarts("client") {
		t.Errorf("Restarts = %v, %v; want web alone", s.Restarts("web"), s.Restarts("client"))
	}
	if !s.Steps[1].AnyStatus || s.Steps[3].AnyStatus {
		t.Errorf("asked for the status: %v, %v; want it of the fetch alone", s.Steps[1].AnyStatus, s.Steps[3].AnyStatus)
	}
}

func TestMachineName(t *testing.T) {
	for text, want := range map[string]string{"web": "web", "web.test_1": "web-test-1", "-x-": "x", "…": "machine", strings.Repeat("a", 60): strings.Repeat("a", 48)} {
		if got := MachineName(text); got != want {
			t.Errorf("MachineName(%q) = %q; want %q", text, got, want)
		}
	}
}

// TestDocumented finds every command and condition in docs/testing.md.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range append(Commands(), Conditions()...) {
		row := "| `" + strings.ReplaceAll(e.Usage, "|", `\|`) + "` | " + strings.ReplaceAll(e.Does, "|", `\|`) + " |"
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/testing.md lacks the row\n%s", row)
		}
	}
}
