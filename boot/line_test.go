package boot

import (
	"strings"
	"testing"
)

func TestJoinLine(t *testing.T) {
	line, err := JoinLine([]string{"ringo.env.A=b c", `"z\`, ""})
	if want := `"ringo.env.A=b c" "\"z\\" ""`; err != nil || line != want {
		t.Errorf("%s, %v, want %s", line, err, want)
	}
	if line, err := JoinLine([]string{strings.Repeat("x", MaxLine-len(`""`))}); err != nil || len(line) != MaxLine {
		t.Errorf("%d bytes, %v", len(line), err)
	}
	for _, word := range []string{"a\nb", "a\x00b", strings.Repeat("x", MaxLine)} {
		if _, err := JoinLine([]string{word}); err == nil {
			t.Errorf("%.10q: no error", word)
		}
	}
}
