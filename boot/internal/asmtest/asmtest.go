// Package asmtest checks in tests that files of machine code, which packages
// embed, are what the Go assembler makes of the source beside them.
package asmtest

import (
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the embedded machine code anew")

// Check compares the file named code with what source, an assembly file for
// goarch without references to symbols, assembles to. With the flag -update it
// writes the file instead.
func Check(t *testing.T, goarch, source, code string) {
	t.Helper()
	want := assemble(t, goarch, source)
	if *update {
		if err := os.WriteFile(code, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(code)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what %s assembles to; run go test -update, and build again", code, source)
	}
}

// assemble returns the instructions of all functions of source, in their order.
func assemble(t *testing.T, goarch, source string) []byte {
	t.Helper()
	object := filepath.Join(t.TempDir(), "object.o")
	asm := exec.Command("go", "tool", "asm", "-p", "main", "-o", object, source)
	asm.Env = append(os.Environ(), "GOARCH="+goarch)
	if out, err := asm.CombinedOutput(); err != nil {
		t.Fatalf("go tool asm: %v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "objdump", object).Output()
	if err != nil {
		t.Fatalf("go tool objdump: %v", err)
	}
	var code []byte
	for line := range strings.Lines(string(out)) {
		if field := strings.Fields(line); len(field) > 3 && strings.HasPrefix(field[0], filepath.Base(source)+":") {
			b, err := hex.DecodeString(field[2])
			if err != nil {
				t.Fatalf("objdump: %q: %v", line, err)
			}
			code = append(code, b...)
		}
	}
	return code
}
