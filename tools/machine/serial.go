package machine

import (
	"context"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// serialPort carries the program's input, and signals for it, to the serial port of a
// machine of QEMU's. Its guest reads that in package kernel/dev, and takes signals out
// of it as soon as they come (rt.ConsoleListen).
type serialPort struct {
	input   chan []byte
	signals chan syscall.Signal
}

// What a guest takes for the begin and the end of its input, and for signals from this
// byte on; and what takes away the next byte's meaning. serialFiller bytes before are
// for the port to lose.
const (
	serialBegin   = 'B' & 31
	serialEnd     = 'D' & 31
	serialQuote   = 'V' & 31
	serialSignals = 0x80
	serialFiller  = 20 // it has room for 16
)

func newSerialPort() *serialPort {
	// Of more signals at once the program would not hear, either.
	return &serialPort{make(chan []byte), make(chan syscall.Signal, 16)}
}

// signal has a signal carried, and does not wait for that.
func (s *serialPort) signal(sig syscall.Signal) {
	select {
	case s.signals <- sig:
	default:
	}
}

// carry writes what is to be carried to port, until ctx ends. A guest that leaves its
// input alone does not hear of signals behind what has gone before them, some
// kilobytes: neither it nor QEMU takes more.
func (s *serialPort) carry(ctx context.Context, port io.Writer) {
	begin := append(make([]byte, serialFiller), serialBegin)
	for {
		var b []byte
		select {
		case <-ctx.Done():
			return
		case sig := <-s.signals:
			b = []byte{serialSignals | byte(sig)}
		case b = <-s.input:
		}
		if _, err := port.Write(append(begin, b...)); err != nil {
			return // QEMU has ended
		}
		begin = nil
	}
}

// read reads input, which is empty if in is nil, to its end, or that of ctx. Behind an
// end on a terminal, which is ^D, there may be more.
func (s *serialPort) read(ctx context.Context, in io.Reader) {
	buffer := make([]byte, 4096)
	for {
		n, err := 0, io.EOF
		if in != nil {
			n, err = in.Read(buffer)
		}
		b := quoteInput(buffer[:n])
		if err != nil {
			b = append(b, serialEnd)
		}
		select {
		case <-ctx.Done():
			return
		case s.input <- b:
		}
		if err != nil && (err != io.EOF || !isTerminal(in)) {
			return
		}
	}
}

// quoteInput returns input in a form without bytes that have a meaning.
func quoteInput(p []byte) []byte {
	quoted := make([]byte, 0, 2*len(p)+1)
	for _, c := range p {
		if c == serialEnd || c == serialQuote || c&^31 == serialSignals {
			quoted = append(quoted, serialQuote)
		}
		quoted = append(quoted, c)
	}
	return quoted
}

// isTerminal reports whether in is a terminal, and has not hung up.
func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
