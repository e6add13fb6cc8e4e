package main

import (
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
)

// The subjects.
const (
	vmName          = "VM"
	tapProcess      = "process, tap"
	loopbackProcess = "process, loopback"
)

// The rows of the table.
const (
	rowAlone  = "QEMU with nothing to boot, ms"
	rowFirst  = "exec to first answer, ms"
	rowPinned = "the same with one CPU, ms"
	rowNew    = "new connection, median µs"
	rowNew99  = "new connection, p99 µs"
	rowKeep   = "keep-alive, median µs"
	rowKeep99 = "keep-alive, p99 µs"
	rowRate   = "requests/s, 16 clients"
	rowUDP    = "UDP echo, median µs"
	rowUDP99  = "UDP echo, p99 µs"
	rowPipe   = "pipe write+read, µs"
	rowIdle   = "memory idle, MB"
	rowLoaded = "memory after load, MB"
)

var rows = []string{rowFirst, rowPinned, rowNew, rowNew99, rowKeep, rowKeep99, rowRate, rowUDP, rowUDP99, rowPipe, rowIdle, rowLoaded}

// printTable prints the medians, and what the machine's are in terms of the
// processes'.
func printTable(w io.Writer, all figures, processSize, imageSize int64, o *options) {
	fmt.Fprintf(w, "%s; medians of %d runs; -m %s; memory is the proportional set size of the VMM or the process\n\n",
		runtime.Version(), o.runs, o.memory)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\t%s\t%s\tratio\t%s\tratio\t\n", vmName, tapProcess, loopbackProcess)
	for _, row := range rows {
		vm, tap, loopback := median(all[row][vmName]), median(all[row][tapProcess]), median(all[row][loopbackProcess])
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", row, number(vm), number(tap), ratio(vm, tap), number(loopback), ratio(vm, loopback))
	}
	t.Flush()
	fmt.Fprintf(w, "\nimage: %d bytes, stripped; %d more than the process's %d\n", imageSize, imageSize-processSize, processSize)
}

// number formats a value with three digits or more; 0 is one that was not measured.
func number(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a/b)
}
