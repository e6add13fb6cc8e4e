// Command faults shows that a fault of the processor is a Go panic at the line
// that caused it, and that the program goes on.
package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"unsafe"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"nil":       nilPointer,
		"nilfunc":   nilFunction,
		"divide":    divide,
		"overflow":  overflow,
		"index":     index,
		"many":      many,
		"goroutine": otherGoroutine,
		"page0":     page0,
		"address":   address,
		"text":      writeText,
		"rodata":    writeConstant,
		"data":      executeData,
		"float":     floatingPoint,
	})
}

// here is a place in the source, such as "main.go:42".
func here() string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", file[strings.LastIndexByte(file, '/')+1:], line)
}

// fault runs f, which must panic with a runtime.Error. It returns the trace of
// the panic, and that error.
func fault(f func()) (trace string, err runtime.Error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		err, _ = recover().(runtime.Error)
		trace = string(debug.Stack())
	}()
	f()
	return "", nil
}

// expect fails unless f panics with a message that contains want, at the line place.
func expect(want, place string, f func()) error {
	trace, err := fault(f)
	switch {
	case err == nil:
		return errors.New("no runtime error")
	case !strings.Contains(err.Error(), want):
		return fmt.Errorf("panic %q, want %q", err, want)
	case !strings.Contains(trace, place):
		return fmt.Errorf("no %s in the trace:\n%s", place, trace)
	}
	return nil
}

//go:noinline
func load(p *int) int { return *p }

func nilPointer() error {
	var p *[8]int
	f, place := func() { p[3] = 1 }, here()
	return expect("nil pointer dereference", place, f)
}

func nilFunction() error {
	var f func()
	_, err := fault(func() { f() })
	if err == nil || !strings.Contains(err.Error(), "nil pointer dereference") {
		return fmt.Errorf("panic %v", err)
	}
	return nil
}

func divide() error {
	zero := len(os.Args) - 2
	f, place := func() { fmt.Println(1 / zero) }, here()
	return expect("integer divide by zero", place, f)
}

// overflow divides the smallest number by -1, which the processor refuses and Go defines.
func overflow() error {
	minus1 := 1 - len(os.Args)
	n := math.MinInt
	return check.Equal("quotient", n/minus1, math.MinInt)
}

func index() error {
	i := len(os.Args) + 8
	f, place := func() { _ = os.Args[i] }, here()
	return expect("index out of range", place, f)
}

// many recovers from more faults than there could be room for if one leaked.
func many() error {
	for n := range 20000 {
		if err := quickFault(); err == nil {
			return fmt.Errorf("no fault in round %d", n)
		}
	}
	return nil
}

// quickFault returns the error of a fault, without looking for more.
func quickFault() (err error) {
	defer func() { err, _ = recover().(runtime.Error) }()
	_ = load(nil)
	return nil
}

// otherGoroutine faults in several goroutines at the same time.
func otherGoroutine() error {
	errs := make(chan error)
	const goroutines = 50
	for range goroutines {
		go func() {
			for range 100 {
				if err := quickFault(); err == nil {
					errs <- errors.New("no fault")
					return
				}
			}
			errs <- nil
		}()
	}
	var first error
	for range goroutines {
		if err := <-errs; err != nil {
			first = err
		}
	}
	return first
}

// pointer makes a pointer of a number behind the compiler's back.
//
//go:noinline
func pointer(addr uintptr) *byte { return *(**byte)(unsafe.Pointer(&addr)) }

// page0 reads and writes all over the first page.
func page0() error {
	for addr := uintptr(0); addr < 4096; addr += 256 {
		if _, err := fault(func() { _ = *pointer(addr) }); err == nil {
			return fmt.Errorf("address %#x can be read", addr)
		}
		if _, err := fault(func() { *pointer(addr) = 1 }); err == nil {
			return fmt.Errorf("address %#x can be written", addr)
		}
	}
	return nil
}

// faultsAt fails unless f faults and the error tells addr.
func faultsAt(addr uintptr, f func()) error {
	_, err := fault(f)
	if err == nil {
		return fmt.Errorf("no fault at %#x", addr)
	}
	a, ok := err.(interface{ Addr() uintptr })
	if !ok {
		return fmt.Errorf("%T (%v) has no address", err, err)
	}
	if a.Addr() != addr {
		return fmt.Errorf("fault at %#x is said to be at %#x", addr, a.Addr())
	}
	return nil
}

func address() error {
	const size = 3 * 4096
	m, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	if err := syscall.Mprotect(m[4096:2*4096], syscall.PROT_NONE); err != nil {
		return err
	}
	m[4095], m[2*4096] = 1, 1
	for _, off := range []int{4096, 4096 + 123, 2*4096 - 1} {
		p := &m[off]
		addr := uintptr(unsafe.Pointer(p))
		if err := faultsAt(addr, func() { _ = *p }); err != nil {
			return err
		}
		if err := faultsAt(addr, func() { *p = 1 }); err != nil {
			return err
		}
	}
	return nil
}

// entry returns the address of a function's code.
func entry(f func() error) uintptr { return **(**uintptr)(unsafe.Pointer(&f)) }

func writeText() error {
	addr := entry(writeText)
	return faultsAt(addr, func() { *pointer(addr) = 0xcc })
}

func writeConstant() error {
	p := unsafe.StringData("a constant of the program")
	return faultsAt(uintptr(unsafe.Pointer(p)), func() { *p = 'A' })
}

// executeData jumps into a page of the heap.
func executeData() error {
	code := make([]byte, 4096)
	for i := range code {
		code[i] = 0xc3 // RET
	}
	entry := &code[0]
	closure := &entry // a func is a pointer to where its entry point is
	f := *(*func())(unsafe.Pointer(&closure))
	if _, err := fault(f); err == nil {
		return errors.New("data was executed")
	}
	return nil
}

// floatingPoint shows that floating-point exceptions stay masked, and the
// state of the unit survives faults.
func floatingPoint() error {
	zero := float64(len(os.Args) - 2)
	x := 1 / zero
	quickFault()
	if !math.IsInf(x, 1) || !math.IsNaN(zero/zero) || math.Sqrt(2)*math.Sqrt(2) < 2 {
		return fmt.Errorf("1/0 is %v", x)
	}
	return nil
}
