package harness

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Terminal is what a user types at, and looks at, of a pseudo terminal (pty(7)).
type Terminal struct{ keys *os.File }

// StartInTerminal starts a command in a terminal of that size, as the leader of
// a session, and collects its output. The terminal is the caller's to close.
func StartInTerminal(cmd *exec.Cmd, columns, rows uint16) (*Guest, *Terminal, error) {
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	t := &Terminal{keys: keys}
	tty, err := t.open(columns, rows)
	if err != nil {
		t.Close()
		return nil, nil, err
	}
	defer tty.Close()
	g := newGuest(cmd)
	g.rest = make(chan struct{})
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := g.start(); err != nil {
		t.Close()
		return nil, nil, err
	}
	go func() {
		defer close(g.rest)
		io.Copy(g, keys) // until the command, or the terminal, has closed it
	}()
	return g, t, nil
}

// open opens the other side of the terminal.
func (t *Terminal) open(columns, rows uint16) (*os.File, error) {
	fd := int(t.keys.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, os.NewSyscallError("TIOCSPTLCK", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, os.NewSyscallError("TIOCGPTN", err)
	}
	if err := t.Resize(columns, rows); err != nil {
		return nil, err
	}
	return os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
}

// Type types text: "\r" is Enter, and "\x03" is Ctrl-C.
func (t *Terminal) Type(text string) error {
	_, err := io.WriteString(t.keys, text)
	return err
}

// Resize gives the terminal another size.
func (t *Terminal) Resize(columns, rows uint16) error {
	err := unix.IoctlSetWinsize(int(t.keys.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows})
	return os.NewSyscallError("TIOCSWINSZ", err)
}

// Modes returns the terminal's modes.
func (t *Terminal) Modes() (unix.Termios, error) {
	modes, err := unix.IoctlGetTermios(int(t.keys.Fd()), unix.TCGETS)
	if err != nil {
		return unix.Termios{}, os.NewSyscallError("TCGETS", err)
	}
	return *modes, nil
}

// Close hangs up.
func (t *Terminal) Close() error { return t.keys.Close() }
