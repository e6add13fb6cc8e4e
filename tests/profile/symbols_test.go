package main

import (
	"debug/elf"
	"encoding/binary"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The compiler inlines inner into outer, and nothing else.
const inlining = `package main

func main() { outer() }

//go:noinline
func outer() {
	inner()
}

func inner() {
	leaf()
}

//go:noinline
func leaf() {}
`

func TestEdges(t *testing.T) {
	dir := t.TempDir()
	source, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "main")
	if err := os.WriteFile(source, []byte(inlining), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", program, source)
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s, err := readSymbols(program)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.edges([]call{callOf(t, program, "main.outer", "main.leaf")})
	if err != nil {
		t.Fatal(err)
	}
	want := map[edge]bool{
		{frame{"main.inner", 11}, "main.leaf"}: true, // as it is written
		{frame{"main.outer", 11}, "main.leaf"}: true, // as the compiler looks for it
		{frame{"main.outer", 7}, "main.inner"}: true,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if line := s.lines["main.outer"]; line != 6 {
		t.Errorf("main.outer begins at line %d, want 6", line)
	}
}

// callOf returns the call of one function in the code of another.
func callOf(t *testing.T, program, caller, callee string) call {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]elf.Symbol{}
	for _, s := range symbols {
		functions[s.Name] = s
	}
	text := f.Section(".text")
	code, err := text.Data()
	if err != nil {
		t.Fatal(err)
	}
	from, target := functions[caller], functions[callee].Value
	for at := from.Value; at+callLength <= from.Value+from.Size; at++ {
		instruction := code[at-text.Addr:][:callLength]
		distance := int32(binary.LittleEndian.Uint32(instruction[1:]))
		if instruction[0] == 0xe8 && at+callLength+uint64(int64(distance)) == target {
			return call{at, target}
		}
	}
	t.Fatalf("%s does not call %s", caller, callee)
	return call{}
}
