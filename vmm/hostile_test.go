package vmm

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/testguest"
)

// hostileCalls is how many hypercalls fit behind the guest's words in its page.
const hostileCalls = (abi.PageSize - abi.VCPUGuest - 8) / 32

// hostileWords turns bytes into the hypercalls of guest Hostile: two bytes
// choose a port, and each argument is one byte that chooses a kind of value
// and one that changes it.
func hostileWords(vm *VM, b []byte) []uint64 {
	bases := []uint64{
		0, 1, ^uint64(0), vm.boot.MapLow, vm.boot.MapHigh, vm.boot.StackLow, vm.bootAddr, vm.ring0.codeAddr,
		testguest.CodeAddr, testguest.DataAddr, 1 << 46, 1 << 47, 1 << 63, abi.PageSize, vm.vcpuPage(0).Self, 1 << 40,
	}
	words := []uint64{0}
	for ; len(b) >= 8 && words[0] < hostileCalls; b = b[8:] {
		words[0]++
		port := uint64(binary.LittleEndian.Uint16(b))
		if b[1] < 0xfe { // mostly ports that exist, seldom those that end or stop it
			port = abi.PortExit + uint64(b[0])%11
			if b[1] > 2 && (port == abi.PortExit || port == abi.PortWait || port == abi.PortStart) {
				port = abi.PortMap
			}
		}
		words = append(words, port)
		for i := 2; i < 8; i += 2 {
			v := bases[b[i]%16]
			switch k := uint64(b[i+1] & 31); b[i+1] >> 5 {
			case 0, 1, 2, 3:
				v += k * abi.PageSize
			case 4, 5:
				v += k
			case 6:
				v -= k * abi.PageSize
			case 7:
				v = k
			}
			words = append(words, v)
		}
	}
	return words
}

// hostilePosted makes the arguments of hypercalls mappings that were posted.
func hostilePosted(words []uint64) []byte {
	p := abi.Posted{Head: uint32(len(words)) / 4 << 7}
	for i := range p.Mapping[:min(abi.MaxPosted, len(words)/4)] {
		w := words[1+4*i:]
		p.Mapping[i] = abi.Mapping{Addr: w[1], Len: w[2], Prot: w[3]}
	}
	b, _ := binary.Append(nil, binary.LittleEndian, &p) // it has a fixed size
	return b
}

// runHostile lets a guest make the hypercalls of b, and reports how many it
// came to make.
func runHostile(t testing.TB, b []byte) (made uint64) {
	vm, _ := newVM(t, testguest.Hostile, smp)
	defer vm.Close()
	words := hostileWords(vm, b)
	copy(unsafe.Slice(&vm.vcpuPage(0).Guest[0], len(words)), words)
	if err := vm.write(vm.boot.Posted, hostilePosted(words)); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(50*time.Millisecond, vm.Kill).Stop() // it may wait for ever
	_, err := run(t, vm)
	var ge *GuestError
	if err != nil && !errors.As(err, &ge) {
		t.Errorf("%v after %x", err, b)
	}
	for _, n := range vm.Stats().Exits {
		made += n
	}
	return made
}

// FuzzHypercalls: a hostile guest ends at most itself.
func FuzzHypercalls(f *testing.F) {
	f.Add([]byte("\x41\x00\x03\x00\x0e\x00\x00\xe3\x42\x00\x03\x00\x0e\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) { runHostile(t, b) })
}

// TestHostile does so with random hypercalls, RINGO_TEST_HOSTILE of them.
func TestHostile(t *testing.T) {
	n := uint64(2000)
	if s := os.Getenv("RINGO_TEST_HOSTILE"); s != "" {
		var err error
		if n, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	b := make([]byte, 8*hostileCalls)
	done := uint64(0)
	for done < n {
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		done += runHostile(t, b)
	}
	t.Logf("%d hypercalls", done)
}

// FuzzCode runs arbitrary instructions.
func FuzzCode(f *testing.F) {
	f.Add(testguest.Paging.Code())
	f.Fuzz(func(t *testing.T, code []byte) {
		vm, _ := newVMOf(t, append(code[:min(len(code), 1000):1000], 0x0f, 0x0b), nil)
		defer vm.Close()
		defer time.AfterFunc(20*time.Millisecond, vm.Kill).Stop()
		_, err := run(t, vm)
		var ge *GuestError
		if err != nil && !errors.As(err, &ge) {
			t.Errorf("%v after %x", err, code)
		}
	})
}
