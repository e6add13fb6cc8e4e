package virtio

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	driver "ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/device"
)

// These are the parts by which tests connect the guest's drivers to the device
// models in one process: the host's memory is the guest's.

// ownMemory is a device.Memory in which every address of this process is valid.
type ownMemory struct{}

func (ownMemory) Slices(dst [][]byte, addr, n uint64, write bool) ([][]byte, error) {
	for n > 0 {
		step := min(n, abi.PageSize-addr%abi.PageSize)
		dst = append(dst, unsafe.Slice((*byte)(rt.Pointer(uintptr(addr))), step))
		addr += step
		n -= step
	}
	return dst, nil
}

// registers is the register page of a device, with its doorbells.
type registers struct {
	d     device.Device
	bells []*os.File
	rings atomic.Int64 // doorbells rung
	lists atomic.Int64 // calls of Access
	lazy  bool
}

func (r *registers) Access(list []abi.Access) {
	r.lists.Add(1)
	for i := range list {
		if a := &list[i]; a.Write != 0 {
			r.d.WriteRegister(a.Addr, 4, uint64(a.Value))
		} else {
			a.Value = uint32(r.d.ReadRegister(a.Addr, 4))
		}
	}
}

// StoreSoon32 is what a guest does that stays awake, or (lazy) one that is about
// to sleep: the VMM polls the device then.
func (r *registers) StoreSoon32(off uintptr, v uint32) {
	if r.lazy {
		r.d.Poll()
	} else {
		r.Store32(off, v)
	}
}

func (r *registers) Store32(off uintptr, v uint32) {
	if off != device.QueueNotify {
		r.d.WriteRegister(uint64(off), 4, uint64(v))
		return
	}
	r.rings.Add(1)
	r.bells[v].Write(binary.NativeEndian.AppendUint64(nil, 1))
}

// newHost returns what a VM would give to device d.
func newHost(t testing.TB, d device.Device, m device.Memory) *device.Host {
	t.Helper()
	h := &device.Host{
		Memory:    m,
		Interrupt: func() {},
		Fail:      func(err error) { t.Error(err) },
	}
	for range d.Queues() {
		fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		h.Doorbells = append(h.Doorbells, os.NewFile(uintptr(fd), "doorbell"))
	}
	t.Cleanup(func() {
		for _, b := range h.Doorbells {
			b.Close()
		}
	})
	return h
}

// connect starts d and returns the transport by which a driver reaches it.
func connect(t testing.TB, d device.Device) (driver.Transport, *registers) {
	t.Helper()
	h := newHost(t, d, ownMemory{})
	if err := d.Start(h); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	r := &registers{d: d, bells: h.Doorbells}
	tr, err := driver.NewMMIO(r)
	if err != nil {
		t.Fatal(err)
	}
	return tr, r
}

func TestRNG(t *testing.T) {
	tr, _ := connect(t, NewRNG())
	r, err := driver.OpenRNG(tr)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1000)
	if _, err := r.Read(b); err != nil {
		t.Fatal(err)
	}
	var seen [256]bool
	distinct := 0
	for _, v := range b {
		if !seen[v] {
			seen[v] = true
			distinct++
		}
	}
	if distinct < 200 {
		t.Errorf("1000 random bytes have only %d values", distinct)
	}
}

func TestConsole(t *testing.T) {
	var out bytes.Buffer
	in := strings.NewReader(strings.Repeat("0123456789", 1000))
	d := NewConsole(in, &out, func() (columns, rows uint16) { return 132, 43 })
	tr, _ := connect(t, d)
	c, err := driver.OpenConsole(tr)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || string(got) != strings.Repeat("0123456789", 1000) {
		t.Errorf("read %d bytes: %v", len(got), err)
	}
	if columns, rows := c.Size(); columns != 132 || rows != 43 {
		t.Errorf("a terminal of %d columns and %d rows", columns, rows)
	}
	want := strings.Repeat("hello, console\n", 500)
	if n, err := io.WriteString(c, want); n != len(want) || err != nil {
		t.Errorf("wrote %d bytes: %v", n, err)
	}
	if out.String() != want {
		t.Errorf("%d bytes arrived", out.Len())
	}
}

// TestConsoleStop stops a console whose input has not ended.
func TestConsoleStop(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	d := NewConsole(r, nil, nil)
	h := newHost(t, d, ownMemory{})
	if err := d.Start(h); err != nil {
		t.Fatal(err)
	}
	tr, err := driver.NewMMIO(&registers{d: d, bells: h.Doorbells})
	if err != nil {
		t.Fatal(err)
	}
	c, err := driver.OpenConsole(tr)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	read := make(chan int)
	go func() {
		n, _ := c.Read(b)
		read <- n
	}()
	for range 1000 {
		d.Poll() // must not wait for the input, as the device's goroutine does
	}
	go w.Write([]byte("0123456789x")) // the rest stays until somebody asks for it
	if n := <-read; n != 10 {
		t.Errorf("read %d bytes", n)
	}
	d.Stop()
}

func TestWrongDriver(t *testing.T) {
	tr, _ := connect(t, NewRNG())
	if _, err := driver.OpenNet(tr); err == nil {
		t.Error("the network driver took an entropy source")
	}
	if tr.DeviceID() != spec.DeviceRNG {
		t.Error("wrong device ID")
	}
}
