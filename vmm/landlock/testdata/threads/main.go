// Command threads restricts itself to the file that its first argument names,
// with threads that do all sorts of things meanwhile, and has each of them open
// that file and the second argument's, which must be refused. It prints how many
// threads did.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/landlock"
)

var (
	restricted atomic.Bool // Restrict has returned
	pipe       [2]int      // threads that wait read from it
	tried      atomic.Int32
	allowed    string
	refused    string
)

// try opens the files.
func try(who string) {
	for name, want := range map[string]error{allowed: nil, refused: unix.EACCES} {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		if err != want {
			fail("a thread that %s opened %s: %v, want %v", who, name, err, want)
		}
	}
	tried.Add(1)
}

// fail ends the program.
func fail(format string, a ...any) {
	fmt.Printf(format+"\n", a...)
	os.Exit(1)
}

// lives are what threads of Go do until restricted is true.
var lives = map[string]func(){
	"reads": func() { read(pipe[0]) },
	"computes": func() {
		for !restricted.Load() {
		}
	},
	"sleeps": func() {
		for !restricted.Load() {
			time.Sleep(time.Millisecond)
		}
	},
	"gets signals": func() {
		for !restricted.Load() {
			unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGURG)
		}
	},
	"starts threads": func() {
		for !restricted.Load() {
			thread(func() {}).Wait() // which ends with its goroutine
		}
	},
	"collects garbage": func() {
		for !restricted.Load() {
			runtime.GC()
		}
	},
}

func read(fd int) {
	for {
		if _, err := unix.Read(fd, make([]byte, 1)); err != unix.EINTR {
			return
		}
	}
}

// thread runs f on a thread of its own, which ends with it.
func thread(f func()) *sync.WaitGroup {
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread()
		f()
	})
	return &done
}

func main() {
	allowed, refused = os.Args[1], os.Args[2]
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		fail("pipe: %v", err)
	}
	before := action()
	var all []*sync.WaitGroup
	for who, live := range lives {
		all = append(all, thread(func() {
			live()
			try(who)
		}))
	}
	startOthers()
	time.Sleep(20 * time.Millisecond) // for them to be at it
	if err := landlock.Restrict([]landlock.Path{{Name: allowed}}); err != nil {
		fail("%v", err)
	}
	restricted.Store(true)
	unix.Write(pipe[1], make([]byte, 100))
	for _, t := range all {
		t.Wait()
	}
	waitOthers()
	thread(func() { try("was started later") }).Wait()
	try("is the first one")
	if now := action(); now != before {
		fail("signal 33: action %x, before %x", now, before)
	}
	// Go's own use of the signal.
	if _, _, e := syscall.AllThreadsSyscall(unix.SYS_GETPID, 0, 0, 0); e != 0 && e != unix.ENOTSUP {
		fail("AllThreadsSyscall: %v", e)
	}
	fmt.Println(tried.Load())
}

// action returns the kernel's struct sigaction of the signal that Restrict uses.
func action() (a [4]uint64) {
	if _, _, e := unix.RawSyscall6(unix.SYS_RT_SIGACTION, 33, 0, uintptr(unsafe.Pointer(&a)), 8, 0, 0); e != 0 {
		fail("rt_sigaction: %v", e)
	}
	return a
}
