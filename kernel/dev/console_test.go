package dev

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pages"
	"ringo.dev/ringo/kernel/tmpfs"
)

// typed is a Port whose input comes as it is typed. What is sent after "^D"
// comes after an end.
type typed struct {
	lines chan string
	asked []int // room that each Read had
}

func (t *typed) Read(p []byte) (int, error) {
	t.asked = append(t.asked, len(p))
	line := <-t.lines
	if line == "^D" {
		return 0, io.EOF
	}
	return copy(p, line), nil
}

func (t *typed) Size() (columns, rows uint16) { return 132, 43 }

func TestConsoleInput(t *testing.T) {
	port := &typed{lines: make(chan string)}
	opened := 0
	c := NewConsole(Pipe, Pipe, func() Port { opened++; return port })
	k := kernel.New(tmpfs.New(pages.NewStore(1<<20), 0o755))
	if err := c.Open(k); err != 0 {
		t.Fatal(err)
	}
	if n, err := k.Write(1, nil); n != 0 || err != 0 || opened != 0 {
		t.Errorf("writing: %d, %v, the port was opened %d times", n, err, opened)
	}
	if _, err := k.Write(0, []byte("x")); err != syscall.EBADF {
		t.Errorf("writing to standard input: %v", err)
	}
	buf := make([]byte, 5)
	for _, want := range []string{"line\n", "", "more\n"} {
		go func() {
			if want == "" {
				port.lines <- "^D"
			} else {
				port.lines <- want
			}
		}()
		if n, err := k.Read(0, buf); string(buf[:n]) != want || err != 0 {
			t.Errorf("read %q, %v; want %q", buf[:n], err, want)
		}
	}
	if opened != 1 || len(port.asked) != 3 || port.asked[0] != len(buf) {
		t.Errorf("opened %d times, asked for %d", opened, port.asked)
	}
}

// TestConsoleReady waits for input by its queue.
func TestConsoleReady(t *testing.T) {
	port := &typed{lines: make(chan string)}
	c := NewConsole(Terminal, Terminal, func() Port { return port })
	s := &stream{console: c, kind: Terminal, input: true}
	notified := make(chan kernel.Events, 1)
	s.Queue().Add(&kernel.Waiter{Mask: kernel.EventIn, Notify: func(e kernel.Events) { notified <- e }})
	if e := s.Ready(); e != kernel.EventOut {
		t.Errorf("events %#x before anything was typed", e)
	}
	port.lines <- "line\n"
	if e := <-notified; e != kernel.EventIn {
		t.Errorf("notified of %#x", e)
	}
	if e := s.Ready(); e != kernel.EventIn|kernel.EventOut {
		t.Errorf("events %#x after a line", e)
	}
	got := new(strings.Builder)
	buf := make([]byte, 3)
	for {
		n, err := s.Read(buf)
		if err != 0 || n == 0 {
			break
		}
		got.Write(buf[:n])
	}
	if got.String() != "line\n" {
		t.Errorf("read %q", got)
	}
	port.lines <- "^D"
	<-notified
	if e := s.Ready(); e != kernel.EventIn|kernel.EventOut {
		t.Errorf("events %#x at the end", e)
	}
}

func TestNoInput(t *testing.T) {
	c := NewConsole(Device, Device, func() Port { return nil })
	s := &stream{console: c, kind: Device, input: true}
	if n, err := s.Read(make([]byte, 10)); n != 0 || err != 0 {
		t.Errorf("%d, %v", n, err)
	}
	if e := s.Ready(); e != kernel.EventIn|kernel.EventOut {
		t.Errorf("events %#x", e)
	}
}

func TestStat(t *testing.T) {
	for kind, want := range map[Kind]uint32{Terminal: syscall.S_IFCHR, Device: syscall.S_IFCHR, Pipe: syscall.S_IFIFO} {
		s := &stream{console: NewConsole(kind, kind, nil), kind: kind}
		var st syscall.Stat_t
		if err := s.Stat(&st); err != 0 || st.Mode&syscall.S_IFMT != want {
			t.Errorf("%s: mode %#o, %v", kind, st.Mode, err)
		}
	}
}

func TestTerminal(t *testing.T) {
	var size [4]uint16
	arg := uintptr(unsafe.Pointer(&size))
	c := NewConsole(Pipe, Terminal, func() Port { return &typed{} })
	if _, err := (&stream{console: c, kind: Pipe, input: true}).Ioctl(syscall.TIOCGWINSZ, arg); err != syscall.ENOTTY {
		t.Errorf("no terminal: %v", err)
	}
	s := &stream{console: c, kind: Terminal}
	if _, err := s.Ioctl(syscall.TIOCGWINSZ, arg); err != 0 || size[0] != 43 || size[1] != 132 {
		t.Errorf("size %v, %v", size, err)
	}
	var tio syscall.Termios
	arg = uintptr(unsafe.Pointer(&tio))
	if _, err := s.Ioctl(syscall.TCGETS, arg); err != 0 || tio.Lflag&syscall.ECHO == 0 || tio.Cc[syscall.VEOF] != 4 {
		t.Errorf("termios %v, %v", tio, err)
	}
	if _, err := s.Ioctl(syscall.TCSETS, arg); err != 0 {
		t.Errorf("setting what is set: %v", err)
	}
	tio.Lflag &^= syscall.ECHO
	if _, err := s.Ioctl(syscall.TCSETS, arg); err != syscall.EOPNOTSUPP {
		t.Errorf("setting something else: %v", err)
	}
	if _, err := s.Ioctl(syscall.TCGETS, 8); err != syscall.EFAULT {
		t.Errorf("bad address: %v", err)
	}
}
