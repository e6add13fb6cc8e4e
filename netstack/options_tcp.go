package netstack

import (
	"encoding/binary"
	"strings"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"ringo.dev/ringo/kernel"
)

// Options of linux/tcp.h that package syscall lacks.
const (
	tcpUserTimeout = 18
	tcpInq         = 36
)

// Upper limits of linux/tcp.h.
const (
	maxKeepIdle     = 32767
	maxKeepInterval = 32767
	maxKeepCount    = 127
	maxCongestion   = 16 // bytes of an algorithm's name
)

func (s *socket) setTCPOption(name int, value []byte) kernel.Errno {
	if !s.isStream() {
		return syscall.ENOPROTOOPT
	}
	if name == syscall.TCP_CONGESTION {
		algorithm := tcpip.CongestionControlOption(strings.TrimRight(string(value), "\x00"))
		return errnoOf(s.ep.SetSockOpt(&algorithm))
	}
	v, err := intValue(value)
	if err != 0 {
		return err
	}
	so := s.ep.SocketOptions()
	seconds := time.Duration(v) * time.Second
	switch name {
	case syscall.TCP_NODELAY:
		so.SetDelayOption(v == 0)
	case syscall.TCP_CORK:
		so.SetCorkOption(v != 0)
	case syscall.TCP_QUICKACK:
		so.SetQuickAck(v != 0)
	case syscall.TCP_MAXSEG:
		return errnoOf(s.ep.SetSockOptInt(tcpip.MaxSegOption, v))
	case syscall.TCP_KEEPIDLE:
		if v < 1 || v > maxKeepIdle {
			return syscall.EINVAL
		}
		o := tcpip.KeepaliveIdleOption(seconds)
		return errnoOf(s.ep.SetSockOpt(&o))
	case syscall.TCP_KEEPINTVL:
		if v < 1 || v > maxKeepInterval {
			return syscall.EINVAL
		}
		o := tcpip.KeepaliveIntervalOption(seconds)
		return errnoOf(s.ep.SetSockOpt(&o))
	case syscall.TCP_KEEPCNT:
		if v < 1 || v > maxKeepCount {
			return syscall.EINVAL
		}
		return errnoOf(s.ep.SetSockOptInt(tcpip.KeepaliveCountOption, v))
	case tcpUserTimeout:
		if v < 0 {
			return syscall.EINVAL
		}
		o := tcpip.TCPUserTimeoutOption(time.Duration(v) * time.Millisecond)
		return errnoOf(s.ep.SetSockOpt(&o))
	case syscall.TCP_LINGER2:
		o := tcpip.TCPLingerTimeoutOption(seconds)
		return errnoOf(s.ep.SetSockOpt(&o))
	case syscall.TCP_DEFER_ACCEPT:
		o := tcpip.TCPDeferAcceptOption(max(seconds, 0))
		return errnoOf(s.ep.SetSockOpt(&o))
	case syscall.TCP_SYNCNT:
		return errnoOf(s.ep.SetSockOptInt(tcpip.TCPSynCountOption, v))
	case syscall.TCP_WINDOW_CLAMP:
		return errnoOf(s.ep.SetSockOptInt(tcpip.TCPWindowClampOption, v))
	}
	return 0
}

func (s *socket) tcpOption(name int, b []byte) (int, kernel.Errno) {
	if !s.isStream() {
		return 0, syscall.ENOPROTOOPT
	}
	so := s.ep.SocketOptions()
	switch name {
	case syscall.TCP_NODELAY:
		return putBool(b, !so.GetDelayOption()), 0
	case syscall.TCP_CORK:
		return putBool(b, so.GetCorkOption()), 0
	case syscall.TCP_QUICKACK:
		return putBool(b, so.GetQuickAck()), 0
	case syscall.TCP_MAXSEG:
		return s.intOption(tcpip.MaxSegOption, b)
	case syscall.TCP_KEEPCNT:
		return s.intOption(tcpip.KeepaliveCountOption, b)
	case syscall.TCP_SYNCNT:
		return s.intOption(tcpip.TCPSynCountOption, b)
	case syscall.TCP_WINDOW_CLAMP:
		return s.intOption(tcpip.TCPWindowClampOption, b)
	case tcpInq:
		return s.intOption(tcpip.ReceiveQueueSizeOption, b)
	case syscall.TCP_KEEPIDLE:
		var o tcpip.KeepaliveIdleOption
		terr := s.ep.GetSockOpt(&o)
		return putInt(b, int(time.Duration(o)/time.Second)), errnoOf(terr)
	case syscall.TCP_KEEPINTVL:
		var o tcpip.KeepaliveIntervalOption
		terr := s.ep.GetSockOpt(&o)
		return putInt(b, int(time.Duration(o)/time.Second)), errnoOf(terr)
	case tcpUserTimeout:
		var o tcpip.TCPUserTimeoutOption
		terr := s.ep.GetSockOpt(&o)
		return putInt(b, int(time.Duration(o)/time.Millisecond)), errnoOf(terr)
	case syscall.TCP_LINGER2:
		var o tcpip.TCPLingerTimeoutOption
		terr := s.ep.GetSockOpt(&o)
		return putInt(b, int(max(time.Duration(o)/time.Second, -1))), errnoOf(terr)
	case syscall.TCP_DEFER_ACCEPT:
		var o tcpip.TCPDeferAcceptOption
		terr := s.ep.GetSockOpt(&o)
		return putInt(b, int(time.Duration(o)/time.Second)), errnoOf(terr)
	case syscall.TCP_CONGESTION:
		var o tcpip.CongestionControlOption
		terr := s.ep.GetSockOpt(&o)
		var full [maxCongestion]byte
		copy(full[:], o)
		return copy(b, full[:]), errnoOf(terr)
	case syscall.TCP_INFO:
		var o tcpip.TCPInfoOption
		if terr := s.ep.GetSockOpt(&o); terr != nil {
			return 0, errnoOf(terr)
		}
		var full [syscall.SizeofTCPInfo]byte
		s.putTCPInfo(full[:], &o)
		return copy(b, full[:]), 0
	}
	return 0, syscall.ENOPROTOOPT
}

// intOption reads an option that the endpoint has as an int.
func (s *socket) intOption(o tcpip.SockOptInt, b []byte) (int, kernel.Errno) {
	v, terr := s.ep.GetSockOptInt(o)
	return putInt(b, v), errnoOf(terr)
}

// States of congestion control in struct tcp_info (linux/tcp.h).
const (
	caOpen     = 0
	caDisorder = 1
	caRecovery = 3
	caLoss     = 4
)

// putTCPInfo fills a struct tcp_info with what the stack knows. Times are in
// microseconds.
func (s *socket) putTCPInfo(b []byte, o *tcpip.TCPInfoOption) {
	state := tcp.EndpointState(o.State)
	if state > tcp.StateClosing { // before a connection and after a failed one
		state = tcp.StateClose
	}
	b[0] = byte(state)
	switch o.CcState {
	case tcpip.Disorder:
		b[1] = caDisorder
	case tcpip.FastRecovery, tcpip.SACKRecovery:
		b[1] = caRecovery
	case tcpip.RTORecovery:
		b[1] = caLoss
	default:
		b[1] = caOpen
	}
	mss, _ := s.ep.GetSockOptInt(tcpip.MaxSegOption)
	put := func(off int, v uint32) { binary.NativeEndian.PutUint32(b[off:], v) }
	put(8, uint32(o.RTO/time.Microsecond))
	put(16, uint32(mss)) // tcpi_snd_mss
	put(20, uint32(mss)) // tcpi_rcv_mss
	put(68, uint32(o.RTT/time.Microsecond))
	put(72, uint32(o.RTTVar/time.Microsecond))
	put(76, o.SndSsthresh)
	put(80, o.SndCwnd)
	put(84, uint32(mss)) // tcpi_advmss
}
