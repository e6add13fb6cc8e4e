package net

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// Tap is a tap interface of the host.
type Tap struct {
	name   string
	mtu    int
	file   *os.File
	conn   syscall.RawConn // of file
	out    transfer        // of Send
	worker sync.WaitGroup  // receive

	// ready is an epoll instance with the tap in it: receive waits for that and
	// not for the tap itself, so that Poll can take over.
	ready     *os.File
	readyConn syscall.RawConn

	mu      sync.Mutex // guards what follows
	in      transfer   // of read
	card    Card       // nil: detached
	size    int        // of the largest frame
	starved bool       // receive is waiting for the card
	polled  bool       // Poll has taken over
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

// TapDevice is the file that OpenTap opens, for reading and writing.
const TapDevice = "/dev/net/tun"

// OpenTap opens the existing tap interface of that name. This takes
// CAP_NET_ADMIN, or an interface that was created for this user.
func OpenTap(name string) (*Tap, error) {
	mtu, err := tapMTU(name)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(TapDevice, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("tap %s: open %s: %w", name, TapDevice, err)
	}
	if err := bindTap(fd, name); err != nil {
		unix.Close(fd)
		return nil, err
	}
	// Only now: the poller refuses a descriptor without an interface.
	t := &Tap{name: name, mtu: mtu, file: os.NewFile(uintptr(fd), TapDevice)}
	if t.conn, err = t.file.SyscallConn(); err != nil {
		t.file.Close()
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	t.out.init(unix.SYS_WRITEV)
	t.in.init(unix.SYS_READV)
	if err := t.newReady(); err != nil {
		t.file.Close()
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	return t, nil
}

// CheckTap says what to do if there is no tap with a name, for those who open it by
// other means.
func CheckTap(name string) error {
	_, err := tapMTU(name)
	return err
}

// tapMTU returns the largest packet of the tap with a name.
func tapMTU(name string) (int, error) {
	mtu, err := interfaceMTU(name)
	switch {
	case errors.Is(err, unix.ENODEV):
		return 0, fmt.Errorf("tap %s does not exist: create it with \"ip tuntap add %s mode tap vnet_hdr user $USER\", give it an address and set it up", name, name)
	case err != nil:
		return 0, fmt.Errorf("tap %s: %w", name, err)
	}
	return mtu, nil
}

// interfaceMTU returns the MTU of a network interface; the error is ENODEV if
// there is none of that name. (net.InterfaceByName asks for all interfaces and
// their addresses.)
func interfaceMTU(name string) (int, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, fmt.Errorf("%q is no name of a network interface, which has 1 to %d bytes", name, unix.IFNAMSIZ-1)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(s)
	if err := unix.IoctlIfreq(s, unix.SIOCGIFMTU, req); err != nil {
		return 0, fmt.Errorf("SIOCGIFMTU: %w", err)
	}
	return int(req.Uint32()), nil
}

// newReady makes the epoll instance.
func (t *Tap) newReady() error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for the runtime's poller
		unix.Close(fd)
		return os.NewSyscallError("fcntl", err)
	}
	t.ready = os.NewFile(uintptr(fd), "epoll")
	if t.readyConn, err = t.ready.SyscallConn(); err == nil {
		err = t.watch(unix.EPOLL_CTL_ADD, unix.EPOLLIN)
	}
	if err != nil {
		t.ready.Close()
	}
	return err
}

// watch says for what receive is to be woken.
func (t *Tap) watch(op int, events uint32) error {
	tap := int(t.file.Fd())
	err := unix.EpollCtl(int(t.ready.Fd()), op, tap, &unix.EpollEvent{Events: events, Fd: int32(tap)})
	return os.NewSyscallError("epoll_ctl", err)
}

// bindTap binds descriptor fd of /dev/net/tun to the interface.
func bindTap(fd int, name string) error {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("tap %s: %w", name, err)
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	switch err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("tap %s: not permitted: it needs CAP_NET_ADMIN, or a tap created with \"user $USER\"", name)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("tap %s is in use by another program", name)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%s is not a tap of a single queue: %w", name, err)
	case err != nil:
		return fmt.Errorf("tap %s: TUNSETIFF: %w", name, err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, spec.NetHeaderLen); err != nil {
		return fmt.Errorf("tap %s: TUNSETVNETHDRSZ: %w", name, err)
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
	var ioctlErr error
	err := t.conn.Control(func(fd uintptr) {
		ioctlErr = unix.IoctlSetInt(int(fd), unix.TUNSETOFFLOAD, offload)
	})
	if err := errors.Join(err, ioctlErr); err != nil {
		return fmt.Errorf("tap %s: TUNSETOFFLOAD: %w", t.name, err)
	}
	if err := t.ready.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("tap %s: %w", t.name, err)
	}
	t.mu.Lock()
	t.card, t.size = c, size
	t.mu.Unlock()
	t.worker.Go(func() { t.receive(c) })
	return nil
}

// Detach implements Backend.
func (t *Tap) Detach() {
	t.ready.SetReadDeadline(time.Unix(1, 0)) // long ago
	t.worker.Wait()
	t.mu.Lock()
	t.card = nil
	t.mu.Unlock()
}

// Close implements Backend.
func (t *Tap) Close() error { return errors.Join(t.ready.Close(), t.file.Close()) }

// receive reads frames until Detach, or until the interface is deleted: then
// the guest sees a dead link.
func (t *Tap) receive(c Card) {
	var state tapState
	read := func(uintptr) (done bool) {
		t.mu.Lock()
		defer t.mu.Unlock()
		state = t.read()
		t.starved = state == tapStarved
		return state != tapEmpty
	}
	for {
		if err := t.readyConn.Read(read); err != nil || state == tapBroken || !c.Wait() {
			return
		}
		t.mu.Lock()
		t.starved = false
		t.mu.Unlock()
	}
}

// tapState is why reading from the tap ended.
type tapState int

const (
	tapEmpty   tapState = iota // it has no frames at the moment
	tapStarved                 // the guest has no room for more
	tapBroken                  // it has been deleted
)

// read reads frames straight into the guest's memory.
func (t *Tap) read() tapState {
	for {
		mem := t.card.Reserve(t.size)
		if mem == nil {
			return tapStarved
		}
		t.in.set(mem)
		t.in.try(t.file.Fd())
		switch {
		case t.in.err == 0 && t.in.n >= spec.NetHeaderLen:
			t.card.Commit(t.in.n)
			t.card.Flush()
		case t.in.err == unix.EAGAIN:
			return tapEmpty
		case t.in.err != 0 && t.in.err != unix.EINTR:
			return tapBroken
		}
	}
}

// Poll implements Poller.
func (t *Tap) Poll() int {
	if !t.mu.TryLock() {
		return -1
	}
	defer t.mu.Unlock()
	if t.card == nil || t.starved || t.read() != tapEmpty || t.polled {
		return -1
	}
	if t.watch(unix.EPOLL_CTL_MOD, 0) != nil {
		return -1
	}
	t.polled = true
	return int(t.file.Fd())
}

// EndPoll implements Poller.
func (t *Tap) EndPoll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.polled = false
	t.watch(unix.EPOLL_CTL_MOD, unix.EPOLLIN)
}

// Send implements Backend. The kernel checks the frame's header. Frames that it
// refuses, and those for an interface that is down, are lost as on a wire.
func (t *Tap) Send(frame [][]byte) error {
	t.out.set(frame)
	if err := t.conn.Write(t.out.try); err != nil {
		return fmt.Errorf("tap %s: %w", t.name, err)
	}
	return nil
}

// Flush implements Backend.
func (t *Tap) Flush() {}

// transfer is a readv or writev which the poller repeats until it does not
// block. Unlike x/sys/unix it allocates nothing.
type transfer struct {
	trap uintptr // SYS_READV or SYS_WRITEV
	iov  []unix.Iovec
	n    int // result of the last try
	err  unix.Errno
	try  func(fd uintptr) (done bool)
}

// maxIovecs is the kernel's limit (UIO_MAXIOV).
const maxIovecs = 1024

func (t *transfer) init(trap uintptr) {
	t.trap = trap
	t.try = func(fd uintptr) bool {
		n, _, err := unix.Syscall(t.trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(t.iov))), uintptr(len(t.iov)))
		t.n, t.err = int(n), err
		return err != unix.EAGAIN
	}
}

// set sets the memory to be read to or written from: at most maxIovecs of the
// pieces.
func (t *transfer) set(pieces [][]byte) {
	t.iov = t.iov[:0]
	for _, p := range pieces[:min(len(pieces), maxIovecs)] {
		if len(p) > 0 {
			t.iov = append(t.iov, unix.Iovec{Base: unsafe.SliceData(p), Len: uint64(len(p))})
		}
	}
}
