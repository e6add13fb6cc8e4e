package netstack

import (
	"io"
	"sync"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"

	"ringo.dev/ringo/kernel"
)

// inbound is a socket's receiving half: one transfer at a time.
type inbound struct {
	mu   sync.Mutex
	w    vectorWriter
	drop discarder
}

// outbound is a socket's sending half: one transfer at a time.
type outbound struct {
	mu sync.Mutex
	v  vector
	to tcpip.FullAddress
}

// Read implements kernel.File.
func (s *socket) Read(p []byte) (int, kernel.Errno) {
	if len(p) == 0 {
		return 0, 0
	}
	s.in.mu.Lock()
	s.in.w.set(p, nil)
	n, err := s.read(&s.in.w, false)
	s.in.w.clear()
	s.in.mu.Unlock()
	return n, err
}

// Write implements kernel.File.
func (s *socket) Write(p []byte) (int, kernel.Errno) {
	s.out.mu.Lock()
	s.out.v.set(p, nil)
	n, err := s.write(tcpip.WriteOptions{})
	s.out.v.clear()
	s.out.mu.Unlock()
	return n, err
}

// read receives into w, of a message nothing but the data. s.in.mu is held.
func (s *socket) read(w io.Writer, peek bool) (int, kernel.Errno) {
	res, terr := s.ep.Read(w, tcpip.ReadOptions{Peek: peek})
	switch terr.(type) {
	case nil:
	case *tcpip.ErrBadBuffer:
		// The message did not fit: there was no room at all for it.
	default:
		return 0, errnoOf(terr)
	}
	if s.isStream() && !peek && res.Count > 0 {
		s.ep.ModerateRecvBuf(res.Count)
	}
	return res.Count, 0
}

// write sends what is in s.out.v. s.out.mu is held.
func (s *socket) write(opts tcpip.WriteOptions) (int, kernel.Errno) {
	if s.isStream() && s.out.v.Len() == 0 {
		return 0, 0
	}
	n, terr := s.ep.Write(&s.out.v, opts)
	if n > 0 {
		return int(n), 0
	}
	return 0, errnoOf(terr)
}

// Send implements kernel.Socket.
func (s *socket) Send(m *kernel.Message, flags int) (int, kernel.Errno) {
	if flags&syscall.MSG_OOB != 0 {
		return 0, syscall.EOPNOTSUPP
	}
	s.out.mu.Lock()
	n, err := s.send(m, flags)
	s.out.mu.Unlock()
	return n, err
}

// send is Send. s.out.mu is held.
func (s *socket) send(m *kernel.Message, flags int) (int, kernel.Errno) {
	opts := tcpip.WriteOptions{
		More:        flags&msgMore != 0,
		EndOfRecord: flags&syscall.MSG_EOR != 0,
	}
	// A stream ignores the address, unless it is not yet connected (MSG_FASTOPEN).
	if len(m.Name) > 0 && !s.isStream() {
		addr, err := s.peer(m.Name)
		if err != 0 {
			return 0, err
		}
		s.out.to = addr
		opts.To = &s.out.to
	}
	if len(m.Control) > 0 {
		nic, err := s.parseControl(m.Control, &opts.ControlMessages)
		if err != 0 {
			return 0, err
		}
		if nic != 0 && opts.To != nil {
			opts.To.NIC = nic
		}
	}
	s.out.v.set(nil, m.Data)
	n, err := s.write(opts)
	s.out.v.clear()
	return n, err
}

// quieter is an endpoint that knows whether anything is to be read; the overlay makes
// UDP's one.
type quieter interface{ Quiet() bool }

// Quiet implements kernel.Socket.
func (s *socket) Quiet() bool { return s.quieter != nil && s.quieter.Quiet() }

// Receive implements kernel.Socket.
func (s *socket) Receive(m *kernel.Message, flags int) (int, kernel.Errno) {
	m.NameLen, m.ControlLen, m.Flags = 0, 0, 0
	if flags&syscall.MSG_OOB != 0 {
		return 0, syscall.EINVAL
	}
	if flags&syscall.MSG_ERRQUEUE != 0 {
		return s.receiveError(m)
	}
	s.in.mu.Lock()
	s.in.w.set(nil, m.Data)
	var n int
	var err kernel.Errno
	if s.isStream() {
		n, err = s.receiveStream(flags&syscall.MSG_PEEK != 0, flags&syscall.MSG_TRUNC != 0)
	} else {
		n, err = s.receiveDatagram(m, flags)
	}
	s.in.w.clear()
	s.in.mu.Unlock()
	return n, err
}

// receiveDatagram is Receive for sockets whose messages have bounds. s.in.mu is held.
func (s *socket) receiveDatagram(m *kernel.Message, flags int) (int, kernel.Errno) {
	peek := flags&syscall.MSG_PEEK != 0
	res, terr := s.ep.Read(&s.in.w, tcpip.ReadOptions{Peek: peek, NeedRemoteAddr: len(m.Name) > 0})
	switch terr.(type) {
	case nil, *tcpip.ErrBadBuffer:
	case *tcpip.ErrClosedForReceive:
		if flags&syscall.MSG_DONTWAIT != 0 {
			return 0, syscall.EAGAIN
		}
		return 0, 0
	default:
		return 0, errnoOf(terr)
	}
	if len(m.Name) > 0 {
		m.NameLen = s.storeAddress(m.Name, res.RemoteAddr)
	}
	if res.Total > res.Count {
		m.Flags |= syscall.MSG_TRUNC
	}
	control := controlWriter{b: m.Control}
	s.appendControl(&control, &res.ControlMessages)
	m.ControlLen = control.n
	if control.truncated {
		m.Flags |= syscall.MSG_CTRUNC
	}
	if flags&syscall.MSG_TRUNC != 0 {
		return res.Total, 0
	}
	return res.Count, 0
}

// receiveStream is Receive for TCP; MSG_TRUNC drops the bytes instead of
// storing them (tcp(7)). s.in.mu is held.
func (s *socket) receiveStream(peek, trunc bool) (int, kernel.Errno) {
	size := s.in.w.Len()
	switch {
	case size == 0:
		return 0, 0
	case trunc && peek:
		queued, terr := s.ep.GetSockOptInt(tcpip.ReceiveQueueSizeOption)
		return min(size, queued), errnoOf(terr)
	case trunc:
		s.in.drop.n = size
		return s.read(&s.in.drop, false)
	}
	return s.read(&s.in.w, peek)
}

// storeAddress writes addr to the caller's buffer, cut off if it is too small,
// and returns its full length.
func (s *socket) storeAddress(b []byte, addr tcpip.FullAddress) int {
	var full [sockaddrIn6Size]byte
	sa := appendSockaddr(full[:0], s.family, addr)
	copy(b, sa)
	return len(sa)
}
