//go:build ringo

package runtime

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
