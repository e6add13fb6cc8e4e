package virtio

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	driver "ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
)

// TestFS sends requests to a device that answers with the request itself: those
// with opcode 1 at once, those with opcode 2 slowly, in other goroutines.
func TestFS(t *testing.T) {
	var slow, most atomic.Int64
	echo := func(in, out [][]byte) (n int) {
		request := bytes.Join(in, nil)
		if binary.LittleEndian.Uint32(request[4:]) == 2 {
			n := slow.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(5 * time.Millisecond)
			slow.Add(-1)
		}
		for _, p := range out {
			n += copy(p, request[n:])
		}
		return n
	}
	resets := 0
	d, err := NewFS("files", echo, func() { resets++ })
	if err != nil {
		t.Fatal(err)
	}
	tr, _ := connect(t, d)
	fs, err := driver.OpenFS(tr)
	if err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for g := range 8 {
		calls.Go(func() {
			for i := range 20 {
				request := make([]byte, 8+1000*i)
				binary.LittleEndian.PutUint32(request[4:], uint32(1+g%2))
				for j := range request[8:] {
					request[8+j] = byte(g + i + j)
				}
				answer := make([]byte, len(request))
				n, err := fs.Call([][]byte{request[:8], nil, request[8:]}, [][]byte{answer[:5], answer[5:]})
				if err != nil || n != len(request) || !bytes.Equal(answer, request) {
					t.Errorf("%d of %d bytes came back, %v", n, len(request), err)
				}
			}
		})
	}
	calls.Wait()
	if resets != 1 || most.Load() < 2 {
		t.Errorf("%d resets; at most %d slow requests at a time", resets, most.Load())
	}
	if _, err := driver.OpenConsole(tr); err == nil {
		t.Error("the console's driver took a file system")
	}
}

// TestFSTag wants the tag to be in the configuration, whole.
func TestFSTag(t *testing.T) {
	for _, tag := range []string{"", strings.Repeat("x", spec.FSTagLen+1)} {
		if _, err := NewFS(tag, nil, nil); err == nil {
			t.Errorf("a tag %q", tag)
		}
	}
	tag := strings.Repeat("x", spec.FSTagLen)
	d, err := NewFS(tag, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr, _ := connect(t, d)
	var got []byte
	for at := range spec.FSTagLen {
		got = append(got, byte(tr.Config(spec.FSConfigTag+at, 1)))
	}
	if string(got) != tag || tr.Config(spec.FSConfigQueues, 4) != fsQueues {
		t.Errorf("tag %q, %d queues", got, tr.Config(spec.FSConfigQueues, 4))
	}
}
