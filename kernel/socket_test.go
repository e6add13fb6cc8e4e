package kernel_test

import (
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
)

// quietSocket is quiet until a message comes.
type quietSocket struct {
	kernel.Socket
	quiet    bool
	received int
}

func (s *quietSocket) Quiet() bool { return s.quiet }

func (s *quietSocket) Receive(m *kernel.Message, flags int) (int, kernel.Errno) {
	s.received++
	return copy(m.Data[0], "message"), 0
}

// TestRecvfromInetOfQuietSocket checks that a quiet socket is not asked for a message,
// unless the caller would wait for one or wants something else.
func TestRecvfromInetOfQuietSocket(t *testing.T) {
	k := newKernel(t)
	s := &quietSocket{quiet: true}
	fd, err := k.OpenFile(s, syscall.O_RDWR|syscall.O_NONBLOCK)
	if err != 0 {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if _, _, err := k.RecvfromInet(fd, b, 0); err != syscall.EAGAIN || s.received != 0 {
		t.Errorf("quiet: %v after %d attempts, want EAGAIN after none", err, s.received)
	}
	if n, _, err := k.RecvfromInet(fd, b, syscall.MSG_ERRQUEUE); n != 7 || err != 0 {
		t.Errorf("with a flag: %d bytes, %v", n, err)
	}
	s.quiet = false
	if n, _, err := k.RecvfromInet(fd, b, 0); n != 7 || err != 0 {
		t.Errorf("not quiet: %d bytes, %v", n, err)
	}
	if _, _, err := k.RecvfromInet(fd+1, b, 0); err != syscall.EBADF {
		t.Errorf("no file: %v, want EBADF", err)
	}
}
