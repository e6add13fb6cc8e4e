package tests

import (
	"os/exec"
	"strings"
	"testing"
)

// otherRelease is the Go release beside the installed one with which the tests
// boot guests: the newest of the other supported minor version.
func otherRelease(t *testing.T) string {
	out, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(string(out), "go1.26") {
		return "go1.27.4"
	}
	return "go1.26.8"
}

// TestOtherRelease builds guests with another Go release than the installed
// one, which the go command fetches through the module proxy.
func TestOtherRelease(t *testing.T) {
	needKVM(t)
	release := otherRelease(t)
	other, err := ringo.WithGo(release)
	if err != nil {
		t.Fatal(err)
	}
	hello, err := other.Program("examples/hello")
	if err != nil {
		t.Fatal(err)
	}
	got, err := other.Run(t.Context(), hello)
	if err != nil || !strings.Contains(got.Output, release) {
		t.Fatalf("%+v, %v; want %s", got, err, release)
	}
	testGuests(t, other, allGuests(t), oneCPU)
}
