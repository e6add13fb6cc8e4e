package procfs

import (
	"strconv"
	"strings"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pages"
	"ringo.dev/ringo/kernel/tmpfs"
)

func newFS() *FS {
	k := kernel.New(tmpfs.New(pages.NewStore(1<<20), 0o755))
	k.SetProgram([]string{"/usr/bin/a program", "-x"}, []string{"A=1"})
	return New(k)
}

// TestStat reads /proc/self/stat as programs do: by the last bracket.
func TestStat(t *testing.T) {
	fs := newFS()
	line := string(fs.stat())
	pid, rest, _ := strings.Cut(line, " (")
	i := strings.LastIndex(rest, ") ")
	if pid != fs.pid || rest[:i] != "a program" {
		t.Errorf("pid %q, name %q", pid, rest[:i])
	}
	fields := strings.Fields(rest[i+2:])
	if len(fields) != 50 {
		t.Fatalf("%d fields after the name, want 50", len(fields))
	}
	for n, f := range fields[1:] {
		if _, err := strconv.ParseUint(f, 10, 64); err != nil {
			t.Errorf("field %d is %q", n+4, f)
		}
	}
	const threads = 20 // proc_pid_stat(5)
	if got := fields[threads-3]; got != "1" {
		t.Errorf("%s threads, want 1", got)
	}
}

// TestStatus looks that every line has a name and that sizes have a unit.
func TestStatus(t *testing.T) {
	for line := range strings.Lines(string(newFS().status())) {
		name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ":\t")
		if !ok || name == "" {
			t.Errorf("line %q", line)
		}
		if strings.HasPrefix(name, "Vm") {
			n, unit, _ := strings.Cut(strings.TrimLeft(value, " "), " ")
			if _, err := strconv.Atoi(n); err != nil || unit != "kB" {
				t.Errorf("line %q", line)
			}
		}
	}
}

// TestUnixSockets lists a pair, which has no names, and a socket that has one.
func TestUnixSockets(t *testing.T) {
	fs := newFS()
	k := fs.kernel
	if _, err := k.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0); err != 0 {
		t.Fatal(err)
	}
	fd, err := k.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
	if err != 0 {
		t.Fatal(err)
	}
	if err := k.Bind(fd, []byte("\x01\x00\x00name")); err != 0 {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(fs.unixSockets())), "\n")
	if len(lines) != 4 {
		t.Fatalf("%q", lines)
	}
	for i, want := range []string{" 00000000 0001 03 ", " 00000000 0001 03 ", " 00000000 0002 01 "} {
		if !strings.Contains(lines[i+1], want) {
			t.Errorf("%q is without %q", lines[i+1], want)
		}
	}
	if !strings.HasSuffix(lines[3], " @name") {
		t.Errorf("%q", lines[3])
	}
}

func TestText(t *testing.T) {
	var b text
	b.add("a", 1, int64(-2), uint64(3)).right(42, 5).hex(0xab, 4).hundredths(1_050_000_000)
	if got, want := string(b), "a1-23   4200ab1.05"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEscape(t *testing.T) {
	if got := escape("a b\\c\n"); got != `a\040b\134c\012` {
		t.Errorf("got %q", got)
	}
}

func TestUUID(t *testing.T) {
	fs := newFS()
	a, b := string(newUUID()), string(newUUID())
	if len(a) != 37 || a == b || a[14] != '4' || strings.Count(a, "-") != 4 {
		t.Errorf("%q and %q", a, b)
	}
	id := string(fs.bootID())
	if again := string(fs.bootID()); again != id {
		t.Errorf("the boot's id was %q, is %q", id, again)
	}
}
