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
// as Linux's terminals do in their canonical mode. What ringo run carries there is
// taken as it is from the first ^B on: a port that is being set up loses what comes
// just then. Either way ^D is the end, and ^V in front of a byte takes away its
// meaning. Some bytes are signals, Ctrl-C if typed, 0x81 to 0x9f if carried: rt has
// raised them, and they are no input.
type serial struct {
	came    *uint32            // changes when there is input
	take    func(p []byte) int // returns it, as rt.ConsoleRead does
	echo    func(p []byte)     // writes to the console
	carried bool

	begun  bool // ^B has come
	buffer [256]byte
	input  []byte // of buffer: not looked at yet
	quoted bool   // ^V came before
	line   []byte // that is being typed
	done   []byte // may be read
	ended  bool   // behind done there is an end
}

// newSerial returns the machine's own console. came is rt.ConsoleInput's.
func newSerial(came *uint32, carried bool) *serial {
	return &serial{came: came, take: rt.ConsoleRead, echo: rt.ConsoleWrite, carried: carried}
}

// Size says that the size is not known.
func (s *serial) Size() (columns, rows uint16) { return 0, 0 }

// Read implements Port.
func (s *serial) Read(p []byte) (int, error) {
	for len(s.done) == 0 && !s.ended {
		for len(s.input) == 0 {
			seen := atomic.LoadUint32(s.came)
			if s.input = s.buffer[:s.take(s.buffer[:])]; len(s.input) == 0 {
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

// Characters that have a meaning.
const (
	begin     = 'B' & 31
	interrupt = 'C' & 31
	end       = 'D' & 31
	backspace = 'H' & 31
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
		case s.carried && !s.begun:
			s.begun = c == begin
		case s.quoted:
			s.quoted = false
			s.add(c)
		case c == quote:
			s.quoted = true
		case c == end:
			s.done, s.line = s.line, nil
			s.ended = s.carried || len(s.done) == 0
		case !s.carried:
			s.key(c)
		case c&^31 != signals:
			s.add(c)
		}
	}
	if s.carried && len(s.done) == 0 {
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
	case s.carried:
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
