package boot

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringo.dev/ringo/vmm/abi"
)

// buildGuest builds testdata/guest with the linker flags.
func buildGuest(t testing.TB, ldflags string, args ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "guest")
	cmd := exec.Command("go", append([]string{"build", "-ldflags=" + ldflags, "-o", name}, args...)...)
	cmd.Args = append(cmd.Args, "./testdata/guest")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return name
}

// readNote returns ringo's note as a loader finds it: by program headers.
func readNote(t *testing.T, name string) *abi.Note {
	t.Helper()
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE {
			continue
		}
		data := make([]byte, p.Filesz)
		if _, err := p.ReadAt(data, 0); err != nil {
			t.Fatal(err)
		}
		if rest, ok := bytes.CutPrefix(data, encodeNote(abi.NoteName, abi.NoteType, make([]byte, 16))[:20]); ok {
			note := new(abi.Note)
			if _, err := binary.Decode(rest, le, note); err != nil {
				t.Fatal(err)
			}
			return note
		}
	}
	t.Fatal("no note")
	return nil
}

func TestFinish(t *testing.T) {
	for _, ldflags := range []string{"", "-s -w", "-w"} {
		t.Run(ldflags, func(t *testing.T) {
			name := buildGuest(t, ldflags)
			before, err := elf.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer before.Close()
			warnings, err := Finish(name)
			if err != nil {
				t.Fatal(err)
			}
			// The overlay is not in use, so the runtime's are strays, too.
			if len(warnings) != 1 || !strings.Contains(warnings[0], " main.stray,") || !strings.Contains(warnings[0], " runtime.write1,") ||
				strings.Contains(warnings[0], "main.site") || strings.Contains(warnings[0], "main.immediate") {
				t.Errorf("warnings %q, want one for main.stray, and not for main.site and main.immediate", warnings)
			}
			if out, err := exec.Command(name).CombinedOutput(); err != nil || string(out) != "hello\n" {
				t.Errorf("as a process: %v, %q", err, out)
			}

			note := readNote(t, name)
			after, err := elf.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer after.Close()
			if note.Version != abi.Version || note.Entry == 0 || note.Entry == after.Entry {
				t.Errorf("note %+v, Linux's entry %#x", note, after.Entry)
			}
			if symbols, err := after.Symbols(); err == nil {
				for _, s := range symbols {
					if s.Name == "main.entry.abi0" && s.Value != note.Entry {
						t.Errorf("the note says %#x, the symbol table %#x", note.Entry, s.Value)
					}
				}
			} else if ldflags == "" {
				t.Error(err)
			}
			compareSections(t, before, after)
		})
	}
}

// compareSections checks that one section was added and the others are where
// they were, with the same contents.
func compareSections(t *testing.T, before, after *elf.File) {
	t.Helper()
	n := len(before.Sections)
	if len(after.Sections) != n+1 || after.Sections[n].Name != ".note.ringo" {
		t.Fatalf("%d sections, then %d; the last is %s", n, len(after.Sections), after.Sections[n].Name)
	}
	for i, s := range before.Sections {
		a := after.Sections[i]
		if s.Name == ".shstrtab" {
			continue
		}
		if a.Name != s.Name || a.Addr != s.Addr || a.Offset != s.Offset || a.Size != s.Size {
			t.Errorf("%s became %+v", s.Name, a.SectionHeader)
		}
	}
}

func TestFinishErrors(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no ELF file"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{exe, text} {
		copied := filepath.Join(t.TempDir(), "copy")
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, data, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := Finish(copied); !errors.Is(err, ErrNoGuest) {
			t.Errorf("%s: %v, want ErrNoGuest", name, err)
		}
		if again, err := os.ReadFile(copied); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s was changed", name)
		}
	}

	pie := buildGuest(t, "", "-buildmode=pie")
	if _, err := Finish(pie); err == nil || !strings.Contains(err.Error(), "-buildmode=pie") {
		t.Errorf("position independent: %v", err)
	}
}

// TestTools asks other people's programs what they think of the file.
func TestTools(t *testing.T) {
	name := buildGuest(t, "")
	if _, err := Finish(name); err != nil {
		t.Fatal(err)
	}
	run := func(tool string, args ...string) string {
		t.Helper()
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
		out, err := exec.Command(tool, args...).CombinedOutput()
		if err != nil {
			t.Errorf("%s %q: %v: %s", tool, args, err, out)
		}
		return string(out)
	}
	if out := run("go", "version", name); !strings.Contains(out, "go1.") {
		t.Errorf("go version: %s", out)
	}
	out := run("readelf", "-a", "-W", name)
	if !strings.Contains(out, ".note.ringo") || strings.Contains(out, "readelf: Warning") || strings.Contains(out, "readelf: Error") {
		t.Errorf("readelf: %s", out)
	}
	run("strip", name)
	if note := readNote(t, name); note.Version != abi.Version {
		t.Errorf("after strip: %+v", note)
	}
	run(name)
}

// FuzzFinish changes the file's headers, and cuts it short.
func FuzzFinish(f *testing.F) {
	full, err := os.ReadFile(buildGuest(f, "-s -w"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full[:4096], len(full))
	f.Fuzz(func(t *testing.T, headers []byte, size int) {
		data := bytes.Clone(full)
		copy(data, headers)
		data = data[:min(max(size, 0), len(data))]
		finish(data) // it may fail, but not panic
	})
}

func BenchmarkFinish(b *testing.B) {
	data, err := os.ReadFile(buildGuest(b, ""))
	if err != nil {
		b.Fatal(err)
	}
	name := filepath.Join(b.TempDir(), "guest")
	for b.Loop() {
		b.StopTimer()
		if err := os.WriteFile(name, data, 0o755); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := Finish(name); err != nil {
			b.Fatal(err)
		}
	}
}
