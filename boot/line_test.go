package boot

import "testing"

func TestJoinLine(t *testing.T) {
	line, err := JoinLine([]string{"ringo.env.A=b c", `"z\`, ""})
	if want := `"ringo.env.A=b c" "\"z\\" ""`; err != nil || line != want {
		t.Errorf("%s, %v, want %s", line, err, want)
	}
	for _, word := range []string{"a\nb", "a\x00b"} {
		if _, err := JoinLine([]string{word}); err == nil {
			t.Errorf("%q: no error", word)
		}
	}
}
