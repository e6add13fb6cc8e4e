package landlock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/signals"
)

// Each thread has to make the system calls itself. So each gets a signal, whose
// handler (signal_amd64.s, and package signals) makes them; it uses nothing of Go's, and
// so runs on threads of C, and in the middle of whatever a thread does.
//
// The signal is the one by which libc and Go's runtime make system calls on all
// threads, too. It is never blocked but for moments: libc lets nobody block it,
// and Go unblocks it in every thread.
//
// What shows that no thread was forgotten: a thread is restricted from its first
// instruction on if the one that started it was. So none is left as soon as all
// threads that existed at one moment are restricted. The list in /proc can leave
// threads out only while others end. Two lists, one after the other, that are
// equal therefore say that nothing ended during the first, and that it was
// complete when it began. (The number of a thread that has ended is given to
// another one only after all other numbers.)

// signal is the number of the signal (glibc's SIGSETXID, and Go's
// sigPerThreadSyscall).
const signal = 33

// patience is how long threads may take to answer, all of them together. One
// that is in uninterruptible sleep answers only afterwards.
const patience = 10 * time.Second

// maxTold is how many threads are told at a time.
const maxTold = 64

// What the handler uses. mu guards it, and the signal's action.
var (
	mu        sync.Mutex
	rulesetFD uint32
	answers   [maxTold]uint32 // by what came with the signal, less 1; see answered
)

// answered is the answer of a thread that is restricted. That of one which could
// not do it is answered + errno; 0 is none yet.
const answered = 1

// handlerAddress returns that of the signal's handler.
func handlerAddress() uintptr

// siginfo is the kernel's siginfo_t, as it is for rt_sigqueueinfo(2).
type siginfo struct {
	signo, errno, code, _ int32
	pid, uid              int32
	value                 uint64
	_                     [96]byte
}

const siQueue = -1 // SI_QUEUE

// restrictThreads puts all threads of this process under a ruleset.
func restrictThreads(fd int, patience time.Duration) error {
	mu.Lock()
	defer mu.Unlock()
	deadline := time.Now().Add(patience)
	tasks, err := openTasks() // which is soon out of reach
	if err != nil {
		return err
	}
	defer unix.Close(tasks)
	atomic.StoreUint32(&rulesetFD, uint32(fd))
	before, err := signals.Handle(signal, handlerAddress())
	if err != nil {
		return err
	}
	restricted := map[int]bool{}
	var list, last []int
	for {
		if list, err = threads(tasks); err != nil {
			return err
		}
		unknown := slices.DeleteFunc(slices.Clone(list), func(tid int) bool { return restricted[tid] })
		if len(unknown) == 0 && slices.Equal(list, last) {
			break
		}
		for some := range slices.Chunk(unknown, maxTold) {
			if err := restrictSome(some, deadline, restricted); err != nil {
				return err // the handler stays, for who has not answered yet
			}
		}
		last = list
	}
	return before.Restore(signal)
}

// restrictSome tells at most maxTold threads, this one perhaps among them, to restrict
// themselves, waits until each has done so or has ended, and adds them to restricted.
func restrictSome(tids []int, deadline time.Time, restricted map[int]bool) error {
	pid, uid := unix.Getpid(), int32(unix.Getuid())
	for i, tid := range tids {
		atomic.StoreUint32(&answers[i], 0)
		info := siginfo{signo: signal, code: siQueue, pid: int32(pid), uid: uid, value: uint64(i + 1)}
		_, _, e := unix.Syscall6(unix.SYS_RT_TGSIGQUEUEINFO, uintptr(pid), uintptr(tid), signal, uintptr(unsafe.Pointer(&info)), 0, 0)
		if e != 0 && e != unix.ESRCH { // which says that it has ended
			return fmt.Errorf("thread %d: %w", tid, os.NewSyscallError("rt_tgsigqueueinfo", e))
		}
	}
	for i, tid := range tids {
		for {
			a := atomic.LoadUint32(&answers[i])
			if a == answered {
				restricted[tid] = true
				break
			} else if a != 0 {
				return fmt.Errorf("thread %d: %w", tid, os.NewSyscallError("landlock_restrict_self", unix.Errno(a-answered)))
			}
			if unix.Tgkill(pid, tid, 0) == unix.ESRCH {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("thread %d does not take signals", tid)
			}
			// Go need not know that this CPU is idle: it would take the time to
			// start a thread. Who ends does not wake us.
			const waitPrivate = 128 // FUTEX_WAIT_PRIVATE
			moment := unix.Timespec{Nsec: 10_000_000}
			unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&answers[i])), waitPrivate, 0, uintptr(unsafe.Pointer(&moment)), 0, 0)
		}
	}
	return nil
}

// openTasks opens the directory that lists the threads of this process.
func openTasks() (fd int, err error) {
	const dir = "/proc/self/task"
	fd, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("its threads are found in /proc, which has to be mounted: %w", &os.PathError{Op: "open", Path: dir, Err: err})
	}
	return fd, nil
}

// threads lists the threads of this process, from its directory.
func threads(dir int) (list []int, err error) {
	if _, err := unix.Seek(dir, 0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("list of threads: %w", err)
	}
	buf := make([]byte, 4096)
	var names []string
	for {
		n, err := unix.ReadDirent(dir, buf)
		if err != nil {
			return nil, fmt.Errorf("list of threads: %w", err)
		}
		if n == 0 {
			break
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
	for _, name := range names {
		tid, err := strconv.Atoi(name)
		if err != nil {
			return nil, fmt.Errorf("list of threads: %w", err)
		}
		list = append(list, tid)
	}
	if !slices.Contains(list, unix.Getpid()) { // the first thread is there as long as the process is
		return nil, errors.New("list of threads: /proc has other numbers for them than this process")
	}
	return list, nil
}
