package machine

import (
	"os"
	"strings"
	"testing"
)

func TestOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = w
	o := &output{w: full}
	for range 3 {
		if _, err := o.Write([]byte("text")); err == nil {
			t.Error("no error")
		}
	}
	os.Stderr = stderr
	w.Close()
	var told [1000]byte
	n, _ := r.Read(told[:])
	if got := string(told[:n]); strings.Count(got, "\n") != 1 || !strings.Contains(got, "no space left") {
		t.Errorf("told %q", got)
	}
}
