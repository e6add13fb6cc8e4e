package machine

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"strconv"
	"syscall"
)

// serialPort carries the program's input, as the guest asks for it in its output, and
// signals to the serial port of a machine of QEMU's. The guest's side is package
// kernel/dev, which says what is written there; rt takes the signals as they come.
type serialPort struct {
	mark    string // what requests for input begin with, behind serialAsk
	asked   chan int
	answers chan []byte
	signals chan syscall.Signal
}

// Bytes that mean something to the guest, or from it. serialFiller zeros before the first
// are for the port to lose.
const (
	serialEnd      = 'D' & 31
	serialAnswered = 'E' & 31
	serialAsk      = 'P' & 31
	serialQuote    = 'V' & 31
	serialSignals  = 0x80
	serialFiller   = 20 // it has room for 16
)

func newSerialPort() *serialPort {
	return &serialPort{
		mark:    rand.Text(),
		asked:   make(chan int, 1),
		answers: make(chan []byte),
		signals: make(chan syscall.Signal, 16), // of more at once the program would not hear, either
	}
}

// signal has a signal carried, and does not wait for that.
func (s *serialPort) signal(sig syscall.Signal) {
	select {
	case s.signals <- sig:
	default:
	}
}

// carry writes what is to be carried to port, until ctx ends.
func (s *serialPort) carry(ctx context.Context, port io.Writer) {
	filler := make([]byte, serialFiller)
	for {
		var b []byte
		select {
		case <-ctx.Done():
			return
		case sig := <-s.signals:
			b = []byte{serialSignals | byte(sig)}
		case b = <-s.answers:
		}
		if _, err := port.Write(append(filler, b...)); err != nil {
			return // QEMU has ended
		}
		filler = nil
	}
}

// read reads input, which is empty if in is nil, as it is asked for, until ctx ends.
// Behind an end there may be more: on a terminal it is ^D.
func (s *serialPort) read(ctx context.Context, in io.Reader) {
	buffer := make([]byte, 4096)
	for {
		room := 0
		select {
		case <-ctx.Done():
			return
		case room = <-s.asked:
		}
		n, err := 0, io.EOF
		if in != nil {
			n, err = in.Read(buffer[:min(room, len(buffer))])
		}
		answer := append(quoteInput(buffer[:n]), serialAnswered)
		if n == 0 && err != nil {
			answer[0] = serialEnd
		}
		select {
		case <-ctx.Done():
			return
		case s.answers <- answer:
		}
	}
}

// quoteInput returns input in a form without bytes that have a meaning.
func quoteInput(p []byte) []byte {
	quoted := make([]byte, 0, 2*len(p)+1)
	for _, c := range p {
		if c == 0 || c == serialEnd || c == serialAnswered || c == serialQuote || c&^31 == serialSignals {
			quoted = append(quoted, serialQuote)
		}
		quoted = append(quoted, c)
	}
	return quoted
}

// requests is the output of a guest, which has requests for input in it.
type requests struct {
	w    io.Writer // gets the output without them
	port *serialPort
	held []byte // it may be the first part of a request
}

// Write takes output. At its end, flush is to be called.
func (r *requests) Write(p []byte) (int, error) {
	const digits = 4
	mark := append([]byte{serialAsk}, r.port.mark...)
	r.held = append(r.held, p...)
	for {
		i := bytes.Index(r.held, mark)
		if i < 0 {
			break
		}
		if err := r.pass(i); err != nil || len(r.held) < len(mark)+digits {
			return len(p), err
		}
		n, err := strconv.ParseUint(string(r.held[len(mark):len(mark)+digits]), 16, 16)
		r.held = r.held[len(mark)+digits:]
		if err != nil {
			continue
		}
		select {
		case r.port.asked <- int(n):
		default: // a guest asks again when it has been answered
		}
	}
	n := bytes.LastIndexByte(r.held, serialAsk)
	if n < 0 || !bytes.HasPrefix(mark, r.held[n:]) {
		n = len(r.held)
	}
	return len(p), r.pass(n)
}

// flush passes the rest on.
func (r *requests) flush() error { return r.pass(len(r.held)) }

// pass passes n bytes on.
func (r *requests) pass(n int) error {
	var err error
	if n > 0 {
		_, err = r.w.Write(r.held[:n])
	}
	r.held = append(r.held[:0], r.held[n:]...)
	return err
}
