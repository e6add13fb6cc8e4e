package vmm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/space"
	"ringo.dev/ringo/vmm/testguest"
)

// skipEnv lets tests that need KVM be skipped where there is none; otherwise
// they fail.
const skipEnv = "RINGO_TEST_NOKVM"

// newVM makes a VM of a tiny guest.
func newVM(t testing.TB, g testguest.Guest, change func(*Config)) (*VM, *bytes.Buffer) {
	t.Helper()
	return newVMOf(t, g.Code(), change)
}

func newVMOf(t testing.TB, code []byte, change func(*Config)) (*VM, *bytes.Buffer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "guest.elf")
	if err := os.WriteFile(path, testguest.New(code).Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out := new(bytes.Buffer)
	c := Config{Image: path, Args: []string{"guest", "two"}, Env: []string{"A=b"}, Memory: 16 << 20, CPUs: 1, Console: out}
	if change != nil {
		change(&c)
	}
	vm, err := New(c)
	if errors.Is(err, ErrKVM) && os.Getenv(skipEnv) != "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { vm.Close() })
	return vm, out
}

// run runs vm to its end.
func run(t testing.TB, vm *VM) (Status, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return vm.Run(ctx)
}

func smp(c *Config) { c.CPUs = 2 }

// TestWait: a guest's waits take as long as they have to.
func TestWait(t *testing.T) {
	vm, _ := newVM(t, testguest.Wait, smp)
	start := time.Now()
	s, err := run(t, vm)
	if took := time.Since(start); err != nil || s.Code != 0 || took < 20*time.Millisecond {
		t.Errorf("got %v, %v after %v", s, err, took)
	}
}

func TestHello(t *testing.T) {
	vm, out := newVM(t, testguest.Hello, nil)
	if s, err := run(t, vm); err != nil || s.Code != 7 || out.String() != "hello\n" {
		t.Errorf("got %v, %v, %q", s, err, out)
	}
	if _, err := vm.Run(t.Context()); !errors.Is(err, ErrConfig) {
		t.Errorf("a second Run: %v", err)
	}
}

// TestGuests boots the guests that check one property and exit with 0.
func TestGuests(t *testing.T) {
	for _, c := range []struct {
		name   string
		guest  testguest.Guest
		mapped uint64
	}{
		{"trap", testguest.Trap, 0},
		{"syscall", testguest.Syscall, 0},
		{"tick", testguest.Tick, 0},
		{"paging", testguest.Paging, 0},
		{"revoke", testguest.Revoke, abi.PageSize},
		{"revokeLarge", testguest.Revoke, space.LargePage},
		{"shootdown", testguest.Shootdown, abi.PageSize},
		{"shootdownLarge", testguest.Shootdown, space.LargePage},
		{"kick", testguest.Kick, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			vm, _ := newVM(t, c.guest, func(c *Config) { c.CPUs, c.Memory = 2, 64<<20 })
			vm.vcpuPage(0).Guest[0] = c.mapped
			if s, err := run(t, vm); err != nil || s.Code != 0 {
				t.Errorf("got %v, %v; %v", s, err, vm.Stats())
			}
		})
	}
}

// TestStartStack reads what the guest finds at its stack pointer.
func TestStartStack(t *testing.T) {
	vm, _ := newVM(t, testguest.Hello, func(c *Config) { c.Settings = map[string]string{"b": "2", "a": "1"} })
	read := func(addr, n uint64) []byte {
		p, err := vm.Slices(nil, addr, n, false)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Join(p, nil)
	}
	word := func(i uint64) uint64 { return binary.LittleEndian.Uint64(read(vm.stack+i*8, 8)) }
	text := func(addr uint64) string { s, _, _ := strings.Cut(string(read(addr, 8)), "\x00"); return s }
	if vm.stack%16 != 0 || word(0) != 2 || text(word(1)) != "guest" || text(word(2)) != "two" || word(3) != 0 || text(word(4)) != "A=b" || word(5) != 0 {
		t.Errorf("argc %d at %#x, %q %q, %q", word(0), vm.stack, text(word(1)), text(word(2)), text(word(4)))
	}
	aux := map[uint64]uint64{}
	for i := uint64(6); word(i) != 0; i += 2 {
		aux[word(i)] = word(i + 1)
	}
	if aux[6] != abi.PageSize || aux[3] != testguest.HeaderAddr+64 || aux[5] != 3 || aux[9] != testguest.CodeAddr || text(aux[31]) != "guest" || bytes.Equal(read(aux[25], 16), make([]byte, 16)) {
		t.Errorf("auxiliary vector %x", aux)
	}
	if got := string(read(vm.boot.Config, vm.boot.ConfigLen)); got != "a=1\nb=2\n" {
		t.Errorf("configuration %q", got)
	}
}

// TestBadConfig: each is refused with one line that names the cause.
func TestBadConfig(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"no program name":         func(c *Config) { c.Args = nil },
		"NUL":                     func(c *Config) { c.Env = []string{"A=\x00"} },
		"0 CPUs":                  func(c *Config) { c.CPUs = 0 },
		"65 CPUs":                 func(c *Config) { c.CPUs = 65 },
		"-m 1M is too little":     func(c *Config) { c.Memory = 1 << 20 },
		"-m 512K is too little":   func(c *Config) { c.Memory = 512 << 10 },
		"no such file":            func(c *Config) { c.Image = "/nowhere.elf" },
		"line break":              func(c *Config) { c.Settings = map[string]string{"a": "b\nc=d"} },
		"at most 2048 fit":        func(c *Config) { c.Env = []string{strings.Repeat("x", 3<<20)} },
		"at most 16 are possible": func(c *Config) { c.Devices = make([]device.Device, 17) },
	} {
		path := filepath.Join(t.TempDir(), "guest.elf")
		if err := os.WriteFile(path, testguest.New(testguest.Hello.Code()).Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Config{Image: path, Args: []string{"guest"}, Memory: 16 << 20, CPUs: 1, Console: io.Discard}
		change(&c)
		_, err := New(c)
		if errors.Is(err, ErrKVM) && os.Getenv(skipEnv) != "" {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestNoKVM(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOENT: "load kvm_amd or kvm_intel", syscall.ENODEV: "enable virtualisation", syscall.EACCES: "usermod -aG kvm", syscall.EBUSY: "--vmm process",
	} {
		err := noKVM(&os.PathError{Op: "open", Path: "/dev/kvm", Err: errno})
		if !errors.Is(err, ErrKVM) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "open /dev/kvm: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v, want %q", errno, err, want)
		}
	}
}

// TestGuestErrors: what no guest may do ends it, with a reason.
func TestGuestErrors(t *testing.T) {
	for want, code := range map[string]string{
		"exception 13":            "\xf4",                                             // HLT
		"exception 6":             "\x0f\x0b",                                         // UD2
		"exception 0":             "\x31\xc9\xf7\xf1",                                 // XOR ECX, ECX; DIV ECX
		"exception 3":             "\xcc",                                             // INT3
		"port 0x40":               "\xe4\x40",                                         // IN AL, 0x40
		"the guest ended itself":  "\xe6\x50",                                         // OUT 0x50, AL
		"port 0x4b":               "\xe6\x4b",                                         // OUT 0x4b, AL
		"port 0x41":               "\xe7\x41",                                         // OUT 0x41, EAX
		"address 0x0":             "\x31\xc9\xff\xe1",                                 // XOR ECX, ECX; JMP RCX
		"error code 0x7":          "\x88\x05\x00\x00\x00\x00",                         // MOV [RIP], AL: its own code
		"error code 0x15":         "\xb9\x00\x00\x60\x00\xff\xe1",                     // MOV ECX, DataAddr; JMP RCX
		"error code 0x6, address": "\x48\xb9\x00\x00\x00\x00\x00\x40\x00\x00\x88\x01", // MOV RCX, 1<<46; MOV [RCX], AL
	} {
		t.Run(want, func(t *testing.T) {
			vm, _ := newVMOf(t, []byte(code+"\x0f\x0b"), nil)
			_, err := run(t, vm)
			var ge *GuestError
			if !errors.As(err, &ge) || !strings.Contains(err.Error(), want) || ge.Regs.RSP != vm.stack || !strings.Contains(ge.Registers(), fmt.Sprintf("%016x", vm.stack)) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// TestAccess: the guest cannot reach what is not its own.
func TestAccess(t *testing.T) {
	const read, write, execute = 0, 1, 2
	for _, a := range []struct {
		name string
		addr func(vm *VM) uint64
		kind uint64
		ok   bool
	}{
		{"read text", func(*VM) uint64 { return testguest.CodeAddr }, read, true},
		{"write text", func(*VM) uint64 { return testguest.CodeAddr }, write, false},
		{"write data", func(*VM) uint64 { return testguest.DataAddr }, write, true},
		{"execute data", func(*VM) uint64 { return testguest.DataAddr }, execute, false},
		{"write bss", func(*VM) uint64 { return testguest.DataAddr + testguest.DataSize }, write, true},
		{"write after bss", func(*VM) uint64 { return testguest.DataAddr + 4*abi.PageSize }, write, false},
		{"page 0", func(*VM) uint64 { return 8 }, read, false},
		{"the last of the stack", func(vm *VM) uint64 { return vm.boot.StackLow }, write, true},
		{"below the stack", func(vm *VM) uint64 { return vm.boot.StackLow - 8 }, write, false},
		{"above the stack", func(vm *VM) uint64 { return vm.boot.StackHigh }, write, false},
		{"execute stack", func(vm *VM) uint64 { return vm.boot.StackHigh - 64 }, execute, false},
		{"unmapped", func(vm *VM) uint64 { return vm.boot.MapLow }, read, false},
		{"read boot page", func(vm *VM) uint64 { return vm.bootAddr }, read, true},
		{"write boot page", func(vm *VM) uint64 { return vm.bootAddr }, write, false},
		{"read GDT", func(vm *VM) uint64 { return vm.ring0.codeAddr }, read, false},
		{"write IDT", func(vm *VM) uint64 { return vm.ring0.idtAddr }, write, false},
		{"read TSS", func(vm *VM) uint64 { return vm.ring0.cpusAddr }, read, false},
		{"execute a stub", func(vm *VM) uint64 { return vm.ring0.codeAddr + stubs }, execute, false},
		{"kernel half", func(*VM) uint64 { return 0xffff_8000_0000_0000 }, read, false},
		{"not canonical", func(*VM) uint64 { return 1 << 62 }, read, false},
	} {
		t.Run(a.name, func(t *testing.T) {
			vm, _ := newVM(t, testguest.Access, nil)
			p := vm.vcpuPage(0)
			p.Guest[0], p.Guest[1] = a.addr(vm), a.kind
			_, err := run(t, vm)
			var ge *GuestError
			if refused := errors.As(err, &ge) && strings.Contains(ge.Reason, "exception"); refused == a.ok || err != nil && !refused {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOutOfMemory(t *testing.T) {
	vm, out := newVM(t, testguest.Touch, nil)
	vm.vcpuPage(0).Guest[0] = 32 << 20
	s, err := run(t, vm)
	if want := "out of memory: all 16M (-m) are in use"; err != nil || s.Code != 137 || !strings.Contains(out.String(), want) {
		t.Errorf("got %v, %v, %q", s, err, out)
	}
}

// TestMemoryGoesBack: neither a guest's memory nor descriptors nor threads stay.
func TestMemoryGoesBack(t *testing.T) {
	count := func(dir string) int {
		l, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(l)
	}
	var fds, threads int
	for i := range 12 {
		if i == 2 {
			fds, threads = count("/proc/self/fd"), count("/proc/self/task")
		}
		vm, _ := newVM(t, testguest.Wait, smp)
		if _, err := run(t, vm); err != nil {
			t.Fatal(err)
		}
		vm.Close()
	}
	if f, n := count("/proc/self/fd"), count("/proc/self/task"); f > fds || n > threads+2 {
		t.Errorf("%d descriptors, %d threads; were %d, %d", f, n, fds, threads)
	}
}

func TestConsole(t *testing.T) {
	const n = 300_000
	want := make([]byte, n)
	for i := range want {
		want[i] = byte(i)
	}
	vm, out := newVM(t, testguest.Print, nil)
	vm.vcpuPage(0).Guest[0] = n
	if s, err := run(t, vm); err != nil || s.Code != 0 || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got %v, %v, %d bytes", s, err, out.Len())
	}
}

func TestConsoleOverrun(t *testing.T) {
	vm, _ := newVM(t, testguest.Overrun, nil)
	if _, err := run(t, vm); err == nil || !strings.Contains(err.Error(), "console ring") {
		t.Errorf("got %v", err)
	}
}

// TestDoorbell: the console's doorbell brings output out while the guest runs;
// then Kill ends a guest that waits.
func TestDoorbell(t *testing.T) {
	r, w := io.Pipe()
	vm, _ := newVM(t, testguest.Bell, func(c *Config) { c.Console = w })
	go func() {
		io.ReadFull(r, make([]byte, 1))
		vm.Kill()
	}()
	if s, err := run(t, vm); err != nil || s.Code != 137 {
		t.Errorf("got %v, %v", s, err)
	}
}

func TestSignal(t *testing.T) {
	vm, _ := newVM(t, testguest.Signals, nil)
	time.AfterFunc(30*time.Millisecond, func() { vm.Signal(syscall.SIGTERM) })
	if s, err := run(t, vm); err != nil || s.Code != 1<<(syscall.SIGTERM-1)>>8 {
		t.Errorf("got %v, %v", s, err)
	}
	if err := vm.Signal(65); !errors.Is(err, ErrConfig) {
		t.Errorf("signal 65: %v", err)
	}
}

func TestContext(t *testing.T) {
	for _, g := range []testguest.Guest{testguest.Signals, testguest.Bell} {
		vm, _ := newVM(t, g, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := vm.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	}
}

// echo is a device that stores what was written to register 16 at the address
// in register 24 when queue 1 rings.
type echo struct {
	t     *testing.T
	h     *device.Host
	value atomic.Uint64
	addr  atomic.Uint64
	stop  sync.WaitGroup
}

func (e *echo) ID() uint32       { return 99 }
func (e *echo) Features() uint64 { return 0 }
func (e *echo) Queues() int      { return 2 }

func (e *echo) ReadRegister(off uint64, size int) uint64 { return off<<16 | uint64(size) }

func (e *echo) WriteRegister(off uint64, size int, v uint64) {
	switch {
	case off == 16 && size == 4:
		e.value.Store(v)
	case off == 24 && size == 8:
		e.addr.Store(v)
	default:
		e.t.Errorf("%d bytes written at %d", size, off)
	}
}

func (e *echo) Start(h *device.Host) error {
	e.h = h
	e.stop.Go(func() {
		var count [8]byte
		for {
			if _, err := h.Doorbells[1].Read(count[:]); err != nil {
				return
			}
			p, err := h.Memory.Slices(nil, e.addr.Load(), 8, true)
			if err != nil {
				h.Fail(err)
				return
			}
			binary.LittleEndian.PutUint64(p[0], e.value.Load())
			h.Interrupt()
		}
	})
	return nil
}

func (e *echo) Poll() int { return -1 }
func (e *echo) EndPoll()  {}
func (e *echo) Stop()     { e.stop.Wait() }

func TestDevice(t *testing.T) {
	e := &echo{t: t}
	vm, _ := newVM(t, testguest.Device, func(c *Config) { c.Devices = []device.Device{e} })
	if s, err := run(t, vm); err != nil || s.Code != 0 {
		t.Errorf("got %v, %v", s, err)
	}
	if got := e.value.Load(); got != 8<<16|4 {
		t.Errorf("register held %#x", got)
	}
}

// TestRegisters makes lists of register accesses as PortAccess does.
func TestRegisters(t *testing.T) {
	const at = testguest.DataAddr + abi.PageSize - 8 // the list lies on two pages
	e := &echo{t: t}
	vm, _ := newVM(t, testguest.Hello, func(c *Config) { c.Devices = []device.Device{e} })
	page := vm.boot.Devices[0].Addr
	access := func(list ...abi.Access) ([]abi.Access, error) {
		t.Helper()
		b, err := binary.Append(nil, binary.LittleEndian, list)
		if err != nil {
			t.Fatal(err)
		}
		if err := vm.write(at, b); err != nil {
			t.Fatal(err)
		}
		failed := vm.access(at, uint64(len(list)))
		pieces, err := vm.Slices(nil, at, uint64(len(b)), false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := binary.Decode(bytes.Join(pieces, nil), binary.LittleEndian, list); err != nil {
			t.Fatal(err)
		}
		return list, failed
	}
	got, err := access(abi.Access{Addr: page + 8}, abi.Access{Addr: page + 16, Value: 77, Write: 1}, abi.Access{Addr: page + 12, Value: 5})
	if err != nil || got[0].Value != 8<<16|4 || got[2].Value != 12<<16|4 || e.value.Load() != 77 {
		t.Errorf("got %v, %v; %d was written", got, err, e.value.Load())
	}
	for _, addr := range []uint64{0, page - 4, page + 2, page + device.RegisterSize, vm.bootAddr, ^uint64(3)} {
		if _, err := access(abi.Access{Addr: page + 16, Value: 78, Write: 1}, abi.Access{Addr: addr}); err != syscall.EFAULT {
			t.Errorf("a register at %#x: %v", addr, err)
		}
	}
	for _, c := range []struct {
		list, n uint64
		want    error
	}{
		{at, 0, nil},
		{at, abi.MaxAccess + 1, syscall.EINVAL},
		{at, 1 << 60, syscall.EINVAL},
		{at + 1, 1, syscall.EINVAL},
		{0, 1, syscall.EFAULT},
		{vm.bootAddr, 1, syscall.EFAULT}, // read-only
		{testguest.CodeAddr, 1, syscall.EFAULT},
		{^uint64(7), 2, syscall.EFAULT},
	} {
		if err := vm.access(c.list, c.n); err != c.want {
			t.Errorf("%d accesses at %#x: %v, want %v", c.n, c.list, err, c.want)
		}
	}
}
