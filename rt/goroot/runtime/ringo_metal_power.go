//go:build ringo

package runtime

import "internal/runtime/atomic"

// ringoMetalExit is ringoPlatExit: it ends the machine with a status, by what
// the machine has for that. Where nothing takes the status it is printed.
func ringoMetalExit(status uintptr) {
	status &= 0xff
	ringoMetalLastWords(status)
	ringoMetalConsoleBusy = 0 // whoever was sending does not come back
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

// Bits of ACPI's fixed events (ACPI 6.4, 4.8.3), and of PM1 control.
const (
	ringoPowerButtonEvent = 1 << 8
	ringoEventsInterrupt  = 1 << 0
)

// ringoPowerButtonInit makes the power button interrupt.
func ringoPowerButtonInit() {
	a := &ringoACPI
	if a.event == 0 || a.eventLen < 4 || a.pm1a == 0 || a.line == 0 {
		return
	}
	if ringoIn16(a.pm1a)&ringoEventsInterrupt == 0 {
		if a.command == 0 || a.enable == 0 {
			return
		}
		ringoOut8(a.command, a.enable)
		const patience = 100_000
		for i := 0; ringoIn16(a.pm1a)&ringoEventsInterrupt == 0; i++ {
			if i == patience {
				return
			}
		}
	}
	ringoOut16(a.event, ringoPowerButtonEvent) // what happened before is not for us
	ringoOut16(a.event+uint16(a.eventLen/2), ringoPowerButtonEvent)
	ringoIOAPICConnect(uint32(a.line), ringoVectorPower|ringoIOAPICLevel)
}

// ringoPowerButton sends SIGTERM to the program if the power button was pressed.
func ringoPowerButton() {
	const terminate = 1 << (15 - 1) // SIGTERM
	if ringoIn16(ringoACPI.event)&ringoPowerButtonEvent != 0 {
		ringoOut16(ringoACPI.event, ringoPowerButtonEvent)
		atomic.Or64(&ringoMetalSignals, terminate)
	}
}

// ringoPowerOff switches the machine off as ACPI says.
func ringoPowerOff() {
	a := &ringoACPI
	if !a.hasOff {
		return
	}
	switch {
	case a.sleepAddr != 0:
		ringoStore8(a.sleepAddr, a.sleepOff)
	case a.sleepPort != 0:
		ringoOut8(a.sleepPort, a.sleepOff)
	case a.pm1a != 0:
		ringoOut16(a.pm1a, a.off1a)
		if a.pm1b != 0 {
			ringoOut16(a.pm1b, a.off1b)
		}
	}
}

// ringoMetalLastWords prints the status if it is not 0.
func ringoMetalLastWords(status uintptr) {
	if status == 0 {
		return
	}
	ringoConsoleLock.v = 0
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
