//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"ringo.dev/ringo/rt/firmware"
)

// ringoMetalEnder is the CPU that ends the machine, counted from 1, or 0.
var ringoMetalEnder uint32

// ringoMetalEnd makes this CPU the one that ends the machine, and so the only
// one that says why.
//
// The other CPUs go on until the machine is off, and one of them may want to end it
// too: the first does, and others stop here. The same CPU comes here twice if there is a
// fault on the way, or if it has said something before it calls ringoMetalExit.
func ringoMetalEnd() {
	me := uint32(1)
	if ringoMetalBoot.VCPU0 != 0 { // else there are no pages of CPUs yet
		me = ringoThisCPU().ID + 1
	}
	if !atomic.Cas(&ringoMetalEnder, 0, me) && atomic.Load(&ringoMetalEnder) != me {
		for {
			ringoMetalStop()
		}
	}
}

// ringoMetalExit is ringoPlatExit: it ends the machine with a status, by what
// the machine has for that. Where nothing takes the status it is printed.
func ringoMetalExit(status uintptr) {
	ringoMetalEnd()
	status &= 0xff
	ringoMetalLastWords(status)
	ringoMetalConsoleFlush()
	if ringoXen.present {
		ringoXenConsoleFlush()
		ringoXenExit(status)
	}
	// QEMU's isa-debug-exit, where ringo puts it: QEMU's own status is 2n+1.
	const debugExit = 0xf4
	ringoOut32(debugExit, uint32(status))
	ringoPowerOff()
	// The keyboard controller's reset line, which ends a QEMU with -no-reboot.
	const keyboard, reset = 0x64, 0xfe
	ringoOut8(keyboard, reset)
	for {
		ringoMetalStop()
	}
}

// ringoMetalRestart is ringoPlatRestart: it resets the machine, by what the
// machine has for that.
func ringoMetalRestart() {
	ringoMetalConsoleBusy = 0 // whoever was sending does not come back
	ringoMetalConsoleFlush()
	if ringoXen.present {
		ringoXenConsoleFlush()
		ringoXenShutdown(xenReboot)
	}
	const (
		patience                = 100_000 // µs
		keyboard, keyboardReset = 0x64, 0xfe
		control, warm, start    = 0xcf9, 1 << 1, 1 << 2 // the reset control register of chipsets
	)
	f := &ringoACPI.Fixed
	ringoStoreRegister(f.Reset, f.ResetValue)
	ringoDelay(patience)
	ringoOut8(keyboard, keyboardReset)
	ringoDelay(patience)
	ringoOut8(control, warm)
	ringoOut8(control, warm|start)
	ringoDelay(patience)
	// An exception for which there is no handler resets every PC.
	var none ringoTablePointer
	ringoLoadTables(&none, &none, ringoSelectorTask)
}

// Bits of ACPI's fixed events (ACPI 6.4, 4.8.3), and of PM1 control.
const (
	ringoPowerButtonEvent = 1 << 8
	ringoEventsInterrupt  = 1 << 0
)

// ringoEventSelect is the register of a machine with a device for events that says
// what happened, 0 on others.
var ringoEventSelect uintptr

// ringoPowerButtonInit makes the power button interrupt.
func ringoPowerButtonInit() {
	if d := &ringoACPI.Event; d.Select != 0 {
		ringoEventSelect = ringoDeviceRegister(d.Select, 4)
		if ringoEventSelect != 0 {
			ringoLoad32(ringoEventSelect) // what happened before is not for us
			ringoIOAPICConnect(d.Line, ringoVectorPower|ringoIOAPICMode(d.Edge))
		}
		return
	}
	f := &ringoACPI.Fixed
	if f.Event == 0 || f.EventLen < 4 || f.PM1aControl == 0 || f.Line == 0 {
		return
	}
	if ringoIn16(f.PM1aControl)&ringoEventsInterrupt == 0 {
		if f.Command == 0 || f.CommandEnable == 0 {
			return
		}
		ringoOut8(f.Command, f.CommandEnable)
		const patience = 100_000
		for i := 0; ringoIn16(f.PM1aControl)&ringoEventsInterrupt == 0; i++ {
			if i == patience {
				return
			}
		}
	}
	ringoOut16(f.Event, ringoPowerButtonEvent) // what happened before is not for us
	ringoOut16(f.Event+uint16(f.EventLen/2), ringoPowerButtonEvent)
	ringoIOAPICConnect(uint32(f.Line), ringoVectorPower|ringoIOAPICLevel)
}

// ringoPowerButton sends SIGTERM to the program if the power button was pressed.
func ringoPowerButton() {
	pressed := false
	if ringoEventSelect != 0 {
		pressed = ringoLoad32(ringoEventSelect)&firmware.PowerButton != 0 // reading clears it
	} else if event := ringoACPI.Fixed.Event; ringoIn16(event)&ringoPowerButtonEvent != 0 {
		pressed = true
		ringoOut16(event, ringoPowerButtonEvent)
	}
	if pressed {
		const terminate = 1 << (15 - 1) // SIGTERM
		atomic.Or64(&ringoMetalSignals, terminate)
	}
}

// ringoPowerOff switches the machine off as ACPI says.
func ringoPowerOff() {
	f := &ringoACPI.Fixed
	if !f.HasOff {
		return
	}
	ringoStoreRegister(f.SleepControl, f.SleepOff)
	if f.PM1aControl != 0 {
		ringoOut16(f.PM1aControl, f.PM1aOff)
	}
	if f.PM1bControl != 0 {
		ringoOut16(f.PM1bControl, f.PM1bOff)
	}
}

// ringoStoreRegister writes to a register of 8 bits, if there is one.
func ringoStoreRegister(r firmware.Register, v uint8) {
	switch r.Space {
	case firmware.AtPort:
		ringoOut8(uint16(r.Addr), v)
	case firmware.InMemory:
		if at := ringoDeviceRegister(r.Addr, 1); at != 0 {
			ringoStore8(at, v)
		}
	}
}

// ringoMetalLastWords prints the status if it is not 0.
func ringoMetalLastWords(status uintptr) {
	if status == 0 {
		return
	}
	ringoConsoleSeize()
	ringoConsolePut("ringo: exit status ")
	ringoConsoleDecimal(status)
	ringoConsolePut("\n")
}

func ringoConsoleDecimal(v uintptr) {
	if v >= 10 {
		ringoConsoleDecimal(v / 10)
	}
	digits := "0123456789"
	ringoConsolePut(digits[v%10 : v%10+1])
}
