package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/tests/harness"
)

// relayReady is what the relay prints before it starts the server, and the time
// in ns on the clock that all processes of the machine share.
const relayReady = "relay: starting the server at %d\n"

// monotonic returns CLOCK_MONOTONIC, in ns.
func monotonic() (int64, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return ts.Nano(), err
}

// relay runs in a second network: it makes a tap there with the address of the
// server, passes frames between that and the client's tap (descriptor 3), and
// runs the server until SIGTERM.
func relay(file string) error {
	const name = "tap1"
	if err := harness.MakeTap(name, netip.MustParsePrefix(relayNet)); err != nil {
		return err
	}
	here, err := openTap(name)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(3, true); err != nil {
		return err
	}
	there := os.NewFile(3, tapName)
	go pass(here, there)
	go pass(there, here)
	server := exec.Command(file)
	server.Stdout, server.Stderr = os.Stdout, os.Stderr
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	signal.Ignore(syscall.SIGTERM)
	now, err := monotonic()
	if err != nil {
		return err
	}
	fmt.Printf(relayReady, now)
	return server.Run()
}

// openTap opens a tap that exists, with all offloads: a frame may be a whole
// TCP segment of 64 KiB without a checksum, as between the VMM and its guest.
func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err == nil {
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6)
	}
	if err == nil {
		const header = 12 // virtio_net_hdr with a count of buffers; taps keep what their last user set
		err = unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, header)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("tap %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// pass passes frames on until a tap is gone.
func pass(from, to *os.File) {
	b := make([]byte, 1<<17)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
