package gateway

import (
	"errors"
	"io"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// relay copies between a TCP connection of the host and one of the guest, both
// ways, until both have ended. The end of one direction is passed on as that;
// an error ends both with a reset.
func relay(host *net.TCPConn, guest *guestConn) {
	var once sync.Once
	reset := func() {
		once.Do(func() {
			guest.abort()
			host.SetLinger(0)
			host.Close()
		})
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := toHost(host, guest); err != nil {
			reset()
		}
	})
	if err := toGuest(host, guest); err != nil {
		reset()
	}
	wg.Wait()
	guest.close()
	host.Close()
}

// toHost copies from the guest to the host up to the end of the data.
func toHost(host *net.TCPConn, guest *guestConn) error {
	for {
		guest.awaitData()
		b := buffers.Get().(*[64 << 10]byte)
		n, err := guest.read(b[:])
		if n > 0 {
			_, werr := host.Write(b[:n])
			err = errors.Join(err, werr)
		}
		buffers.Put(b)
		if err == io.EOF {
			return host.CloseWrite()
		}
		if err != nil {
			return err
		}
	}
}

// toGuest copies from the host to the guest up to the end of the data. It holds
// a buffer only while there is data: many connections are idle.
func toGuest(host *net.TCPConn, guest *guestConn) error {
	raw, err := host.SyscallConn()
	if err != nil {
		return err
	}
	var (
		b       *[64 << 10]byte
		n       int
		readErr error
	)
	try := func(fd uintptr) (done bool) {
		b = buffers.Get().(*[64 << 10]byte)
		for {
			n, readErr = unix.Read(int(fd), b[:])
			if readErr != unix.EINTR {
				break
			}
		}
		if readErr == unix.EAGAIN {
			buffers.Put(b)
			b = nil
			return false
		}
		return true
	}
	for {
		err := raw.Read(try)
		if err == nil {
			err = readErr
		}
		if err == nil && n > 0 {
			err = guest.write(b[:n])
		}
		if b != nil {
			buffers.Put(b)
			b = nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			guest.closeWrite()
			return nil
		}
	}
}
