package boot

import (
	"errors"
	"os"
	"testing"
)

func TestReadProgramErrors(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadProgram(host); !errors.Is(err, errNoMultiboot) {
		t.Errorf("an executable of the host: %v", err)
	}
	if _, err := ReadProgram([]byte("no ELF file")); !errors.Is(err, ErrNoGuest) {
		t.Errorf("a text: %v", err)
	}
}
