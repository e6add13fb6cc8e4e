package netstack

import (
	"bytes"
	"encoding/binary"
	"math"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"ringo.dev/ringo/kernel"
)

// Socket options as setsockopt(2) and getsockopt(2) have them: this file has
// the levels and SOL_SOCKET, options_ip.go and options_tcp.go the others.
//
// As Linux programs expect from this stack, an option that does not exist may
// be set without effect, but not read: that is how programs probe for it.

// Options of asm-generic/socket.h that package syscall lacks.
const (
	soReusePort     = 15
	soProtocol      = 38
	soDomain        = 39
	soCookie        = 57
	soBindToIfindex = 62
)

// msgMore is MSG_MORE.
const msgMore = 0x8000

// ifNameSize is IFNAMSIZ.
const ifNameSize = 16

// Values of localOptions.timestamp.
const (
	timestampOff = iota
	timestampMicro
	timestampNano
)

// localOptions are options that concern the socket, not its endpoint. Timeouts
// are not among them: who waits for a socket keeps them.
type localOptions struct {
	timestamp atomic.Int32 // SO_TIMESTAMP, SO_TIMESTAMPNS
	priority  atomic.Int32
}

// intValue reads an int, the value of most options.
func intValue(b []byte) (int, kernel.Errno) {
	if len(b) < 4 {
		return 0, syscall.EINVAL
	}
	return int(int32(binary.NativeEndian.Uint32(b))), 0
}

// putInt stores an int, cut off to the caller's length.
func putInt(b []byte, v int) int {
	var full [4]byte
	binary.NativeEndian.PutUint32(full[:], uint32(int32(v)))
	return copy(b, full[:])
}

func putBool(b []byte, v bool) int {
	if v {
		return putInt(b, 1)
	}
	return putInt(b, 0)
}

// SetOption implements kernel.Socket.
func (s *socket) SetOption(level, name int, value []byte) kernel.Errno {
	switch level {
	case syscall.SOL_SOCKET:
		return s.setSocketOption(name, value)
	case syscall.IPPROTO_TCP:
		return s.setTCPOption(name, value)
	case syscall.IPPROTO_IP:
		return s.setIPOption(name, value)
	case syscall.IPPROTO_IPV6:
		return s.setIPv6Option(name, value)
	case syscall.IPPROTO_ICMPV6:
		return s.setICMPv6Option(name, value)
	}
	return 0
}

// Option implements kernel.Socket.
func (s *socket) Option(level, name int, b []byte) (int, kernel.Errno) {
	switch level {
	case syscall.SOL_SOCKET:
		return s.socketOption(name, b)
	case syscall.IPPROTO_TCP:
		return s.tcpOption(name, b)
	case syscall.IPPROTO_IP:
		return s.ipOption(name, b)
	case syscall.IPPROTO_IPV6:
		return s.ipv6Option(name, b)
	case syscall.IPPROTO_ICMPV6:
		return s.icmpv6Option(name, b)
	}
	return 0, syscall.ENOPROTOOPT
}

func (s *socket) setSocketOption(name int, value []byte) kernel.Errno {
	so := s.ep.SocketOptions()
	switch name {
	case syscall.SO_LINGER:
		if len(value) < syscall.SizeofLinger {
			return syscall.EINVAL
		}
		so.SetLinger(tcpip.LingerOption{
			Enabled: binary.NativeEndian.Uint32(value) != 0,
			Timeout: time.Duration(int32(binary.NativeEndian.Uint32(value[4:]))) * time.Second,
		})
		return 0
	case syscall.SO_BINDTODEVICE:
		device, _, _ := bytes.Cut(value, []byte{0})
		var nic tcpip.NICID
		if len(device) > 0 {
			var ok bool
			if nic, ok = s.net.interfaceByName(string(device)); !ok {
				return syscall.ENODEV
			}
		}
		return errnoOf(so.SetBindToDevice(int32(nic)))
	case syscall.SO_DETACH_FILTER:
		var none tcpip.SocketDetachFilterOption
		return errnoOf(s.ep.SetSockOpt(&none))
	}

	v, err := intValue(value)
	if err != 0 {
		return err
	}
	switch name {
	case syscall.SO_RCVLOWAT:
		return errnoOf(so.SetRcvlowat(int32(v)))
	case syscall.SO_MARK:
		so.SetMark(uint32(v))
	case syscall.SO_PRIORITY:
		s.opts.priority.Store(int32(v))
	case soBindToIfindex:
		return errnoOf(so.SetBindToDevice(int32(v)))
	case syscall.SO_SNDBUF, syscall.SO_SNDBUFFORCE:
		low, high := so.SendBufferLimits()
		so.SetSendBufferSize(bufferSize(v, low, high, name == syscall.SO_SNDBUFFORCE), true)
	case syscall.SO_RCVBUF, syscall.SO_RCVBUFFORCE:
		low, high := so.ReceiveBufferLimits()
		so.SetReceiveBufferSize(bufferSize(v, low, high, name == syscall.SO_RCVBUFFORCE), true)
	case syscall.SO_TIMESTAMP:
		s.setTimestamp(v, timestampMicro)
	case syscall.SO_TIMESTAMPNS:
		s.setTimestamp(v, timestampNano)
	case syscall.SO_TYPE, syscall.SO_ERROR, syscall.SO_ACCEPTCONN, soProtocol, soDomain, soCookie:
		return syscall.ENOPROTOOPT // they can only be read
	default:
		if f := socketFlags.find(name); f != nil {
			f.set(so, v != 0)
		}
	}
	return 0
}

func (s *socket) setTimestamp(v int, form int32) {
	if v == 0 {
		form = timestampOff
	}
	s.opts.timestamp.Store(form)
}

// bufferSize is the size to set when the program asks for v bytes. As on
// Linux, that is twice as much, for the bookkeeping, and force passes the limit.
func bufferSize(v int, low, high int64, force bool) int64 {
	size := int64(uint32(v))
	if !force {
		size = min(size, high)
	}
	size = min(size, math.MaxInt32/2)
	return max(2*size, low)
}

func (s *socket) socketOption(name int, b []byte) (int, kernel.Errno) {
	so := s.ep.SocketOptions()
	switch name {
	case syscall.SO_ERROR:
		return putInt(b, int(errnoOf(so.GetLastError()))), 0
	case syscall.SO_TYPE:
		return putInt(b, s.typ), 0
	case soProtocol:
		return putInt(b, s.protocol), 0
	case soDomain:
		return putInt(b, s.family), 0
	case syscall.SO_ACCEPTCONN:
		return putBool(b, so.GetAcceptConn()), 0
	case syscall.SO_RCVLOWAT:
		return putInt(b, int(so.GetRcvlowat())), 0
	case syscall.SO_SNDLOWAT, syscall.SO_DONTROUTE, syscall.SO_DEBUG:
		return putBool(b, name == syscall.SO_SNDLOWAT), 0
	case syscall.SO_MARK:
		return putInt(b, int(so.GetMark())), 0
	case syscall.SO_PRIORITY:
		return putInt(b, int(s.opts.priority.Load())), 0
	case syscall.SO_SNDBUF:
		return putInt(b, int(min(so.GetSendBufferSize(), math.MaxInt32))), 0
	case syscall.SO_RCVBUF:
		return putInt(b, int(min(so.GetReceiveBufferSize(), math.MaxInt32))), 0
	case syscall.SO_TIMESTAMP:
		return putBool(b, s.opts.timestamp.Load() == timestampMicro), 0
	case syscall.SO_TIMESTAMPNS:
		return putBool(b, s.opts.timestamp.Load() == timestampNano), 0
	case soBindToIfindex:
		return putInt(b, int(so.GetBindToDevice())), 0
	case syscall.SO_LINGER:
		var full [syscall.SizeofLinger]byte
		linger := so.GetLinger()
		putBool(full[:], linger.Enabled)
		putInt(full[4:], int(linger.Timeout/time.Second))
		return copy(b, full[:]), 0
	case syscall.SO_BINDTODEVICE:
		nic := so.GetBindToDevice()
		if nic == 0 {
			return 0, 0
		}
		if len(b) < ifNameSize {
			return 0, syscall.EINVAL
		}
		device := append([]byte(s.net.ip.FindNICNameFromID(tcpip.NICID(nic))), 0)
		return copy(b, device), 0
	case soCookie:
		if len(b) < 8 {
			return 0, syscall.EINVAL
		}
		binary.NativeEndian.PutUint64(b, s.inode)
		return 8, 0
	}
	if f := socketFlags.find(name); f != nil {
		return putBool(b, f.get(so)), 0
	}
	return 0, syscall.ENOPROTOOPT
}
