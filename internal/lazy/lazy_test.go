package lazy

import "testing"

func TestRegexp(t *testing.T) {
	r := Regexp(`^a+$`)
	if !r().MatchString("aaa") || r().MatchString("ab") {
		t.Error("the expression does not match as it should")
	}
	if first, second := r(), r(); first != second {
		t.Error("the expression is compiled twice")
	}
	defer func() {
		if recover() == nil {
			t.Error("an expression that cannot be parsed is passed over")
		}
	}()
	Regexp(`(`)()
}
