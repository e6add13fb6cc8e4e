package kernel_test

import (
	"math/rand/v2"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/kernel"
)

// TestStress has many goroutines work on the same few descriptors at once: with
// the race detector it looks for races, and without for deadlocks.
func TestStress(t *testing.T) {
	k := newKernel(t)
	_, err := k.Limit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 40, Max: 40})
	ok(t, err)
	ok(t, k.Mkdir(cwd, "/tmp/s", 0o755))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 2))
			for range 5000 {
				disturb(k, r)
			}
		})
	}
	finished := make(chan bool)
	go func() {
		wg.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-time.After(time.Minute):
		t.Fatal("the goroutines wait for each other")
	}
	for fd := range 40 {
		k.Close(fd)
	}
}

// disturb makes one call that never waits.
func disturb(k *kernel.Kernel, r *rand.Rand) {
	fd, other := r.IntN(40), r.IntN(40)
	buf := make([]byte, 1+r.IntN(5000))
	name := "/tmp/s/" + strconv.Itoa(r.IntN(4))
	switch r.IntN(24) {
	case 0:
		k.Pipe(syscall.O_NONBLOCK)
	case 1:
		k.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM+r.IntN(2)|syscall.SOCK_NONBLOCK, 0)
	case 2:
		k.EpollCreate(0)
	case 3:
		k.EventFD(uint32(r.IntN(2)), syscall.O_NONBLOCK)
	case 4, 5:
		k.EpollCtl(fd, syscall.EPOLL_CTL_ADD, other, &kernel.EpollEvent{Events: []uint32{in, out, in | out | edge, in | oneShot}[r.IntN(4)]})
	case 6:
		k.EpollCtl(fd, 1+r.IntN(3), other, &kernel.EpollEvent{Events: in})
	case 7, 8:
		k.EpollWait(fd, make([]kernel.EpollEvent, 4), 0)
	case 9:
		k.Poll([]kernel.PollFD{{FD: int32(fd), Events: int16(in)}, {FD: int32(other), Events: int16(out)}}, time.Microsecond)
	case 10, 11:
		k.Read(fd, buf)
	case 12, 13:
		k.Write(fd, buf)
	case 14, 15:
		k.Close(fd)
	case 16:
		k.Dup2(fd, other)
	case 17:
		k.PollOpen(fd, 1)
	case 18:
		k.PollClose(fd)
	case 19:
		k.Open(cwd, name, syscall.O_CREAT|syscall.O_RDWR, 0o644)
	case 20:
		k.Unlink(cwd, name, 0)
	case 21:
		k.Rename(cwd, name, cwd, "/tmp/s/"+strconv.Itoa(r.IntN(4)), 0)
	case 22:
		k.Sendmsg(fd, &kernel.Message{Data: [][]byte{buf[:1]}, Control: rights(other)}, 0)
	case 23:
		k.Recvmsg(fd, &kernel.Message{Data: [][]byte{buf}, Control: make([]byte, 64)}, 0)
	}
}
