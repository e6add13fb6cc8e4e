package harness

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolated is the environment variable by which an isolated process knows that
// it is one. Its value is the directory of the ringo command.
const isolated = "RINGO_TESTS_ISOLATED"

// Isolated tells whether this process was started by Ringo.Isolate, and the
// directory of the ringo command if so.
func Isolated() (dir string, yes bool) { return os.LookupEnv(isolated) }

// Isolate returns a command that runs this same program with other arguments in
// a network of its own, where it may make interfaces. That takes no privilege.
func (r *Ringo) Isolate(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), isolated+"="+r.dir)
	cmd.SysProcAttr = namespaces(syscall.CLONE_NEWNET)
	return cmd
}

// namespaces returns attributes for a process in new namespaces. One of users
// is among them if only that makes the others possible.
func namespaces(flags uintptr) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: gid, Size: 1}}
	}
	return attr
}

// tapQueue is how many frames for the guest wait in a tap. Linux's 1000 are too few for
// some thousand clients: what has no room is lost.
const tapQueue = 10_000

// MakeTap makes a tap interface with an address and sets it up, and the
// loopback too. The interface goes with the network of the process.
func MakeTap(name string, addr netip.Prefix) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return fmt.Errorf("tap %s: %w", name, err)
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return fmt.Errorf("tap %s: %w", name, err)
	}
	if err := setAddress(name, addr); err != nil {
		return err
	}
	if err := control(name, unix.SIOCSIFTXQLEN, func(r *unix.Ifreq) error {
		r.SetUint32(tapQueue)
		return nil
	}); err != nil {
		return err
	}
	if err := setUp("lo"); err != nil {
		return err
	}
	return setUp(name)
}

// control makes a request about an interface; set fills it in.
func control(name string, request uint, set func(*unix.Ifreq) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err == nil {
		err = set(req)
	}
	if err == nil {
		err = unix.IoctlIfreq(fd, request, req)
	}
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	return nil
}

func setAddress(name string, addr netip.Prefix) error {
	a := addr.Addr().As4()
	if err := control(name, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(a[:]) }); err != nil {
		return err
	}
	mask := net.CIDRMask(addr.Bits(), 32)
	return control(name, unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask) })
}

func setUp(name string) error {
	return control(name, unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error {
		r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		return nil
	})
}

// FreePort returns a port of the loopback that nothing listened on just now.
func FreePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
