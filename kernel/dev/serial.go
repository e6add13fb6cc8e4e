package dev

import (
	"io"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/rt"
)

// serial is the Port of a console that carries bytes and nothing else: a serial
// line, or Xen's. What is typed at it are lines, which are edited here and echoed,
// as Linux's terminals do in their canonical mode. ^D is the end, and ^V in front of a
// byte takes away its meaning. Ctrl-C and Ctrl-\ are signals, which rt has raised.
//
// If ringo run is at the other end, it is asked for input: in the output, by ^P, a mark
// that it has chosen, and the number of bytes as four hexadecimal digits. It answers with
// no more bytes than that and ^E, or with ^D at the end. So nothing is in the way of
// signals, the bytes from 0x81 to 0x9f, which rt raises as well. Zeros mean nothing: a
// port that is being set up loses what comes just then.
type serial struct {
	came *uint32            // changes when there is input
	take func(p []byte) int // returns it, as rt.ConsoleRead does
	echo func(p []byte)     // writes to the console
	mark string             // ringo run's; "": somebody types

	asked  bool // and not answered yet
	buffer [256]byte
	input  []byte // of buffer: not looked at yet
	quoted bool   // ^V came before
	line   []byte // that is being typed
	done   []byte // may be read
	ended  bool   // behind done there is an end
}

// newSerial returns the machine's own console. came is rt.ConsoleInput's.
func newSerial(came *uint32, mark string) *serial {
	return &serial{came: came, take: rt.ConsoleRead, echo: rt.ConsoleWrite, mark: mark}
}

// Size says that the size is not known.
func (s *serial) Size() (columns, rows uint16) { return 0, 0 }

// Read implements Port.
func (s *serial) Read(p []byte) (int, error) {
	for len(s.done) == 0 && !s.ended {
		for len(s.input) == 0 {
			seen := atomic.LoadUint32(s.came)
			if s.input = s.buffer[:s.take(s.buffer[:])]; len(s.input) == 0 {
				s.ask(len(p))
				virtio.WaitIndex((*uint16)(unsafe.Pointer(s.came)), uint16(seen))
			}
		}
		s.look()
	}
	if len(s.done) == 0 {
		s.ended = false
		return 0, io.EOF
	}
	n := copy(p, s.done)
	s.done = s.done[n:]
	return n, nil
}

// maxAsk is the most that ringo run is asked for. rt has room for twice that.
const maxAsk = 2000

// ask asks ringo run for n bytes, unless it has been asked.
func (s *serial) ask(n int) {
	if s.mark == "" || s.asked {
		return
	}
	s.asked = true
	n = min(n, maxAsk)
	request := append([]byte{ask}, s.mark...)
	for shift := 12; shift >= 0; shift -= 4 {
		request = append(request, "0123456789abcdef"[n>>shift&15])
	}
	s.echo(request)
}

// Characters that have a meaning.
const (
	interrupt = 'C' & 31
	end       = 'D' & 31
	answered  = 'E' & 31
	backspace = 'H' & 31
	ask       = 'P' & 31
	kill      = 'U' & 31
	quote     = 'V' & 31
	quit      = '\\' & 31
	erase     = 127

	signals = 0x80 // to 0x9f
)

// look takes input up to what may be read.
func (s *serial) look() {
	for len(s.input) > 0 && len(s.done) == 0 && !s.ended {
		c := s.input[0]
		s.input = s.input[1:]
		switch {
		case s.quoted:
			s.quoted = false
			s.add(c)
		case c == quote:
			s.quoted = true
		case c == end:
			s.done, s.line = s.line, nil
			s.ended = s.mark != "" || len(s.done) == 0
			s.asked = false
		case s.mark == "":
			s.key(c)
		case c == answered:
			s.asked = false
		case c != 0 && c&^31 != signals:
			s.add(c)
		}
	}
	if s.mark != "" && len(s.done) == 0 {
		s.done, s.line = s.line, nil
	}
}

// add adds a character to the line. What is too much for a line is lost.
func (s *serial) add(c byte) {
	const longest = 4096 // Linux's
	if len(s.line) >= longest {
		return
	}
	s.line = append(s.line, c)
	switch {
	case s.mark != "":
	case c < ' ' && c != '\n' && c != '\t':
		s.echo([]byte{'^', c + '@'})
	default:
		s.echo([]byte{c})
	}
}

// key takes a character that was typed.
func (s *serial) key(c byte) {
	switch c {
	case '\r', '\n':
		s.add('\n')
		s.done, s.line = s.line, nil
	case erase, backspace:
		s.erase()
	case kill:
		for len(s.line) > 0 {
			s.erase()
		}
	case interrupt, quit:
		s.echo([]byte{'^', c + '@', '\n'})
		s.line = nil
	default:
		s.add(c)
	}
}

// erase takes back the line's last character.
func (s *serial) erase() {
	if len(s.line) == 0 {
		return
	}
	r, n := utf8.DecodeLastRune(s.line)
	s.line = s.line[:len(s.line)-n]
	s.echo([]byte("\b \b"))
	if r < ' ' { // it was shown as two
		s.echo([]byte("\b \b"))
	}
}
