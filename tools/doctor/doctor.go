// Package doctor finds out what a machine can do for ringo, and what it lacks.
package doctor

import (
	"context"
	"fmt"
	"io"
)

// Result is what one check found.
type Result struct {
	Name string // what was looked at
	// OK says whether it can be used.
	OK bool
	// Required says whether ringo run needs it with its default flags.
	Required bool
	Found    string // what was found
	Fix      string // what to do if it is not OK
}

// Run makes all checks. ringo is the path of the ringo command.
func Run(ctx context.Context, ringo string) []Result {
	return []Result{
		checkGo(ctx, ringo),
		checkKVM("/dev/kvm", "/sys/module"),
		checkMemory("/proc/meminfo"),
		checkTap("/dev/net/tun", "/proc/self/status"),
		checkQEMU(ctx),
		checkAccel("/dev/kvm", "/sys/module"),
		checkUEFI(),
	}
}

// Print prints results, one in a line, and what to do in the line after.
func Print(w io.Writer, results []Result) {
	for _, r := range results {
		mark := "ok"
		if !r.OK {
			mark = "--"
		}
		fmt.Fprintf(w, "%s  %-7s %s\n", mark, r.Name, r.Found)
		if !r.OK && r.Fix != "" {
			fmt.Fprintf(w, "    %-7s %s\n", "", r.Fix)
		}
	}
}

// Ready reports whether ringo run works with its default flags.
func Ready(results []Result) bool {
	for _, r := range results {
		if r.Required && !r.OK {
			return false
		}
	}
	return true
}
