package net

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// Tap is a tap interface of the host.
type Tap struct {
	fd     int
	mtu    int
	stop   int    // eventfd; readable: receive ends
	out    iovecs // of Send
	worker sync.WaitGroup
}

var _ Backend = (*Tap)(nil)

const (
	tapFeatures = spec.NetCSum | spec.NetHostTSO4 | spec.NetHostTSO6 |
		spec.NetGuestCSum | spec.NetGuestTSO4 | spec.NetGuestTSO6

	ethernetHeader = 14
	// maxLarge is the size of the largest frame when large TCP segments are
	// used: an IP packet of 64 KiB.
	maxLarge = spec.NetHeaderLen + ethernetHeader + 65535
)

// OpenTap opens the existing tap interface of that name. This takes
// CAP_NET_ADMIN, or an interface that was created for this user.
func OpenTap(name string) (*Tap, error) {
	ifc, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("tap %s does not exist: create it with \"ip tuntap add %s mode tap vnet_hdr user $USER\", give it an address and set it up", name, name)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("tap %s: open /dev/net/tun: %w", name, err)
	}
	t := &Tap{fd: fd, mtu: ifc.MTU, stop: -1}
	if err := t.setup(name); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// setup binds the descriptor to the interface.
func (t *Tap) setup(name string) error {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("tap %s: %w", name, err)
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	switch err := unix.IoctlIfreq(t.fd, unix.TUNSETIFF, req); {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("tap %s: not permitted: it needs CAP_NET_ADMIN, or a tap created with \"user $USER\"", name)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("tap %s is in use by another program", name)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%s is not a tap of a single queue with vnet_hdr: %w", name, err)
	case err != nil:
		return fmt.Errorf("tap %s: TUNSETIFF: %w", name, err)
	}
	if err := unix.IoctlSetPointerInt(t.fd, unix.TUNSETVNETHDRSZ, spec.NetHeaderLen); err != nil {
		return fmt.Errorf("tap %s: TUNSETVNETHDRSZ: %w", name, err)
	}
	t.stop, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("tap %s: eventfd: %w", name, err)
	}
	return nil
}

// Features implements Backend.
func (t *Tap) Features() uint64 { return tapFeatures }

// MTU implements Backend.
func (t *Tap) MTU() int { return t.mtu }

// Attach implements Backend.
func (t *Tap) Attach(c Card, features uint64) error {
	offload, size := 0, spec.NetHeaderLen+ethernetHeader+t.mtu
	if features&spec.NetGuestCSum != 0 {
		offload |= unix.TUN_F_CSUM
		if features&spec.NetGuestTSO4 != 0 {
			offload |= unix.TUN_F_TSO4
			size = maxLarge
		}
		if features&spec.NetGuestTSO6 != 0 {
			offload |= unix.TUN_F_TSO6
			size = maxLarge
		}
	}
	if err := unix.IoctlSetInt(t.fd, unix.TUNSETOFFLOAD, offload); err != nil {
		return fmt.Errorf("tap: TUNSETOFFLOAD: %w", err)
	}
	t.worker.Go(func() { t.receive(c, size) })
	return nil
}

// Detach implements Backend.
func (t *Tap) Detach() {
	unix.Write(t.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	t.worker.Wait()
	var b [8]byte
	unix.Read(t.stop, b[:]) // Attach may follow
}

// Close implements Backend.
func (t *Tap) Close() error {
	if t.stop >= 0 {
		unix.Close(t.stop)
	}
	return unix.Close(t.fd)
}

// receive reads frames of at most size bytes straight into the guest's memory.
func (t *Tap) receive(c Card, size int) {
	var in iovecs
	for {
		mem := c.Reserve(size)
		if mem == nil {
			if !c.Wait() {
				return
			}
			continue
		}
		switch n, err := in.do(unix.SYS_READV, t.fd, mem); {
		case err == 0 && n >= spec.NetHeaderLen:
			c.Commit(n)
			c.Flush()
		case err == unix.EAGAIN:
			if t.poll(unix.POLLIN) {
				return
			}
		case err != 0 && err != unix.EINTR:
			// The interface was deleted: the guest sees a dead link.
			return
		}
	}
}

// poll waits until the tap is ready for events. stopped means that receive must
// end.
func (t *Tap) poll(events int16) (stopped bool) {
	fds := [2]unix.PollFd{{Fd: int32(t.fd), Events: events}, {Fd: int32(t.stop), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds[:], -1); err != unix.EINTR {
			return err != nil || fds[1].Revents != 0
		}
	}
}

// Send implements Backend. The kernel checks the frame's header.
func (t *Tap) Send(frame [][]byte) error {
	for {
		switch _, err := t.out.do(unix.SYS_WRITEV, t.fd, frame); err {
		case unix.EINTR:
		case unix.EAGAIN:
			if t.poll(unix.POLLOUT) {
				return nil
			}
		default:
			// Refused frames and those for an interface that is down are lost,
			// as on a wire.
			return nil
		}
	}
}

// Flush implements Backend.
func (t *Tap) Flush() {}

// iovecs is scratch for readv and writev: unlike x/sys/unix it allocates
// nothing.
type iovecs []unix.Iovec

// maxIovecs is the kernel's limit (UIO_MAXIOV).
const maxIovecs = 1024

// do makes the system call trap (SYS_READV or SYS_WRITEV) with at most
// maxIovecs pieces.
func (v *iovecs) do(trap uintptr, fd int, pieces [][]byte) (int, unix.Errno) {
	*v = (*v)[:0]
	for _, p := range pieces[:min(len(pieces), maxIovecs)] {
		if len(p) > 0 {
			*v = append(*v, unix.Iovec{Base: unsafe.SliceData(p), Len: uint64(len(p))})
		}
	}
	n, _, err := unix.Syscall(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(*v))), uintptr(len(*v)))
	return int(n), err
}
