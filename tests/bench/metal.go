package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tools/machine"
)

// measureMetal measures the web server as it boots by itself on machines of
// QEMU without KVM, each some times in turn, and prints the table. web is the web
// server; files may be put into dir.
func measureMetal(ctx context.Context, web, dir string, o *options) error {
	nothing := filepath.Join(dir, "nothing.elf")
	if err := os.WriteFile(nothing, endsAtOnce(), 0o600); err != nil {
		return err
	}
	machines := strings.Split(o.metal, ",")
	all := figures{}
	for i := range o.runs {
		for _, m := range machines {
			d, err := startAndEnd(ctx, m, dir, nothing, o)
			if err != nil {
				return err
			}
			all.add(rowAlone, &subject{name: m}, ms(d))
			s := &subject{m, guest, func(ctx context.Context, _ ...int) (*harness.Guest, time.Time, error) {
				cmd, err := qemu(ctx, m, "pvh", dir, web, o)
				if err != nil {
					return nil, time.Time{}, err
				}
				since := time.Now()
				g, err := harness.StartGuest(cmd)
				return g, since, err
			}, func(g *harness.Guest) []int { return []int{g.Process().Pid} }}
			if err := measure(ctx, s, rowFirst, o, all); err != nil {
				return fmt.Errorf("%s: %w", m, err)
			}
		}
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, o.runs)
	}
	printMetal(os.Stdout, all, machines, o)
	return nil
}

// qemu returns the command that boots an image, in one of machine.BootWays, on a machine
// with one processor, without KVM, with its card at the tap, as "ringo run --vmm qemu" does.
func qemu(ctx context.Context, name, way, dir, image string, o *options) (*exec.Cmd, error) {
	q := machine.QEMU{Machine: name, Accel: "tcg", Boot: way}
	return q.Command(ctx, dir, &machine.Options{
		Image:  image,
		Args:   []string{filepath.Base(image)},
		Memory: int64(o.memory),
		CPUs:   1,
		Network: machine.Network{
			Kind:   "tap:" + tapName,
			Static: machine.Static{Addresses: []netip.Prefix{netip.MustParsePrefix(guestNet)}},
		},
	})
}

// startAndEnd returns how long QEMU takes for an image that ends at once.
func startAndEnd(ctx context.Context, machine, dir, image string, o *options) (time.Duration, error) {
	cmd, err := qemu(ctx, machine, "multiboot", dir, image, o)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	g, err := harness.StartGuest(cmd)
	if err != nil {
		return 0, err
	}
	r, err := g.Wait(ctx)
	if err == nil && r.Status != 1 {
		err = fmt.Errorf("%s: status %d: %s", machine, r.Status, r.Output)
	}
	return time.Since(start), err
}

// endsAtOnce returns an image for multiboot loaders whose program does nothing
// but end the machine. No image answers sooner than QEMU takes for this one.
func endsAtOnce() []byte {
	const (
		magic, addresses = 0x1badb002, 1 << 16
		base, header     = 0x100000, 32
	)
	image := make([]byte, 0, 64)
	for _, w := range []uint32{magic, addresses, (1<<32 - magic - addresses), base, base, 0, 0, base + header} {
		image = binary.LittleEndian.AppendUint32(image, w)
	}
	return append(image,
		0x31, 0xc0, // xor eax, eax
		0x66, 0xba, 0xf4, 0x00, // mov dx, isa-debug-exit
		0xef,       // out dx, eax
		0xeb, 0xfe) // jmp here
}

// metalRows are the rows of the table for metal.
var metalRows = []string{rowAlone, rowFirst, rowNew, rowNew99, rowKeep, rowKeep99, rowRate, rowUDP, rowUDP99, rowIdle, rowLoaded}

// printMetal prints the medians.
func printMetal(w io.Writer, all figures, machines []string, o *options) {
	fmt.Fprintf(w, "QEMU without KVM, 1 processor; medians of %d runs; -m %v; memory is QEMU's proportional set size\n\n", o.runs, o.memory)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\t%s\t\n", strings.Join(machines, "\t"))
	for _, row := range metalRows {
		fmt.Fprint(t, row, "\t")
		for _, m := range machines {
			fmt.Fprint(t, number(median(all[row][m])), "\t")
		}
		fmt.Fprintln(t)
		if row == rowFirst {
			fmt.Fprint(t, "the same at best, ms\t")
			for _, m := range machines {
				fmt.Fprint(t, number(slices.Min(all[row][m])), "\t")
			}
			fmt.Fprintln(t)
		}
	}
	t.Flush()
}
