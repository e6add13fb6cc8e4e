// Command syscalls makes system calls itself, by package syscall's raw doors
// and by golang.org/x/sys/unix.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"unknown":  unknown,
		"identity": identity,
		"uname":    uname,
		"stack":    stackArguments,
		"blocking": blocking,
		"badptr":   badPointers,
		"badfd":    badDescriptors,
		"limits":   limits,
		"adjtimex": adjtimex,
		"affinity": affinity,
		"exec":     exec,
		"fork":     fork,
	})
}

// unknown makes calls that no Linux has. The tests look for their numbers on
// the console.
func unknown() error {
	for range 3 {
		_, _, errno := unix.Syscall(1999, 1, 2, 3)
		if err := check.Is("call 1999", errno, unix.ENOSYS); err != nil {
			return err
		}
		_, _, errno = syscall.RawSyscall(1998, 1, 2, 3)
		if err := check.Is("raw call 1998", errno, unix.ENOSYS); err != nil {
			return err
		}
	}
	return nil
}

func identity() error {
	if pid := unix.Getpid(); pid != os.Getpid() || pid <= 0 {
		return fmt.Errorf("process %d by x/sys/unix, %d by os", pid, os.Getpid())
	}
	if uid := unix.Getuid(); uid != os.Getuid() || uid < 0 {
		return fmt.Errorf("user %d by x/sys/unix, %d by os", uid, os.Getuid())
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if a, b := unix.Gettid(), syscall.Gettid(); a != b || a <= 0 {
		return fmt.Errorf("thread %d by x/sys/unix, %d by syscall", a, b)
	}
	if old := unix.Umask(0o27); unix.Umask(old) != 0o27 {
		return errors.New("the umask was not kept")
	}
	return nil
}

func uname() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	if err := check.Equal("system", unix.ByteSliceToString(u.Sysname[:]), "Linux"); err != nil {
		return err
	}
	if err := check.Equal("machine", unix.ByteSliceToString(u.Machine[:]), "x86_64"); err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	return check.Equal("node", unix.ByteSliceToString(u.Nodename[:]), host)
}

// stackArguments passes pointers to variables of goroutines whose stacks grow,
// shrink and move at the same time.
func stackArguments() error {
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for n := range cap(errs) {
		wg.Go(func() { errs <- onStack(n) })
	}
	for range 20 {
		runtime.GC() // shrinks stacks
	}
	wg.Wait()
	for range cap(errs) {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

func onStack(n int) error {
	for round := range 200 {
		if err := deeper(round%40, byte(n)); err != nil {
			return err
		}
	}
	return nil
}

// deeper calls from further down the stack: a pipe's ends come back by a
// pointer into the stack, and data goes through it from and to the stack.
func deeper(depth int, mark byte) error {
	if depth > 0 {
		var fill [256]byte
		err := deeper(depth-1, mark)
		runtime.KeepAlive(&fill)
		return err
	}
	var fds [2]int32
	if _, _, errno := unix.Syscall(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&fds)), unix.O_CLOEXEC, 0); errno != 0 {
		return fmt.Errorf("pipe2: %w", errno)
	}
	defer unix.Close(int(fds[0]))
	defer unix.Close(int(fds[1]))
	out, in := [64]byte{mark, 1, 2, 3, 63: mark}, [64]byte{}
	if n, _, errno := unix.Syscall(unix.SYS_WRITE, uintptr(fds[1]), uintptr(unsafe.Pointer(&out)), 64); n != 64 {
		return fmt.Errorf("write: %d, %w", n, errno)
	}
	if n, _, errno := unix.Syscall(unix.SYS_READ, uintptr(fds[0]), uintptr(unsafe.Pointer(&in)), 64); n != 64 {
		return fmt.Errorf("read: %d, %w", n, errno)
	}
	return check.Equal("data", in, out)
}

// blocking blocks in raw calls, more of them than there are CPUs, and wants
// everything else to go on.
func blocking() error {
	const readers = 20
	var fds [readers][2]int
	got := make(chan byte, readers)
	for i := range fds {
		if err := unix.Pipe2(fds[i][:], unix.O_CLOEXEC); err != nil {
			return err
		}
		go func() {
			var b [1]byte
			unix.Read(fds[i][0], b[:])
			got <- b[0]
		}()
	}
	for range 100 {
		runtime.Gosched()
	}
	sum := 0
	for i := range fds {
		if _, err := unix.Write(fds[i][1], []byte{byte(i)}); err != nil {
			return err
		}
	}
	for range fds {
		sum += int(<-got)
	}
	return check.Equal("sum", sum, readers*(readers-1)/2)
}

// badPointers passes addresses where nothing is.
func badPointers() error {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	for _, addr := range []uintptr{1, 4096, 1<<47 - 4096, 1 << 63, ^uintptr(0) - 16} {
		_, _, errno := unix.Syscall(unix.SYS_WRITE, uintptr(fds[1]), addr, 8)
		if err := check.Is(fmt.Sprintf("write from %#x", addr), errno, unix.EFAULT); err != nil {
			return err
		}
	}
	if _, err := unix.Write(fds[1], []byte("12345678")); err != nil {
		return err
	}
	for _, addr := range []uintptr{1, 4096, 1 << 63} {
		_, _, errno := unix.Syscall(unix.SYS_READ, uintptr(fds[0]), addr, 8)
		if err := check.Is(fmt.Sprintf("read to %#x", addr), errno, unix.EFAULT); err != nil {
			return err
		}
	}
	var b [8]byte
	if n, err := unix.Read(fds[0], b[:]); err != nil || !bytes.Equal(b[:n], []byte("12345678")) {
		return fmt.Errorf("read %q, %v afterwards", b[:n], err)
	}
	return nil
}

func badDescriptors() error {
	var b [1]byte
	for _, fd := range []int{-1, 999, 1 << 30} {
		_, err := unix.Read(fd, b[:])
		if err := check.Is(fmt.Sprintf("read of descriptor %d", fd), err, unix.EBADF); err != nil {
			return err
		}
		if err := check.Is(fmt.Sprintf("close of descriptor %d", fd), unix.Close(fd), unix.EBADF); err != nil {
			return err
		}
	}
	return nil
}

func limits() error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	if l.Cur < l.Max-1 { // to which package syscall raises it
		return fmt.Errorf("only %d of %d descriptors", l.Cur, l.Max)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return err
	}
	if info.Totalram == 0 || info.Freeram > info.Totalram {
		return fmt.Errorf("%d of %d bytes of memory free", info.Freeram, info.Totalram)
	}
	return nil
}

// adjtimex asks how right the clock is, which needs no privilege.
func adjtimex() error {
	var x unix.Timex
	state, err := unix.Adjtimex(&x)
	if err != nil {
		return err
	}
	const ok, unknown = 0, 5
	if state < ok || state > unknown || x.Tick <= 0 || x.Maxerror < 0 {
		return fmt.Errorf("state %d, %+v", state, x)
	}
	if now := time.Now().Unix(); x.Time.Sec < now-1 || x.Time.Sec > now {
		return fmt.Errorf("%d seconds, now it is %d", x.Time.Sec, now)
	}
	return nil
}

func affinity() error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return err
	}
	return check.Equal("CPUs", set.Count(), runtime.NumCPU())
}

// exec wants a program that tries to start another one to get an error.
func exec() error {
	_, err := os.StartProcess("/no/such/program", []string{"program"}, &os.ProcAttr{})
	if err == nil {
		return errors.New("it started")
	}
	return nil
}

// fork wants to be told that there are no other processes. The tests look for the
// call on the console.
func fork() error {
	_, err := os.StartProcess("/proc/self/exe", []string{"program"}, &os.ProcAttr{})
	return check.Is("start of a process", err, unix.ENOSYS)
}
