package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ringo.dev/ringo/tests/harness"
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
			d, err := startAndEnd(ctx, m, o.memory, nothing)
			if err != nil {
				return err
			}
			all.add(rowAlone, &subject{name: m}, ms(d))
			s := &subject{m, guest, func(ctx context.Context) (*harness.Guest, time.Time, error) {
				since := time.Now()
				g, err := harness.StartGuest(qemu(ctx, m, o.memory, web))
				return g, since, err
			}, func(g *harness.Guest) []int { return []int{g.Process().Pid} }}
			if err := measure(ctx, s, o, all); err != nil {
				return fmt.Errorf("%s: %w", m, err)
			}
		}
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, o.runs)
	}
	printMetal(os.Stdout, all, machines, o)
	return nil
}

// qemu returns the command that boots an image on a machine with one processor,
// without KVM, with its card at the tap.
func qemu(ctx context.Context, machine, memory, image string) *exec.Cmd {
	card := "virtio-net-pci"
	args := []string{
		"-machine", machine, "-accel", "tcg", "-cpu", "max", "-m", memory,
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=4",
		"-netdev", "tap,id=n,script=no,downscript=no,ifname=" + tapName,
		"-kernel", image, "-append", "ringo.net.ip=" + guestNet,
	}
	if machine == "microvm" {
		card = "virtio-net-device"
		args = append(args, "-global", "virtio-mmio.force-legacy=false")
	}
	return exec.CommandContext(ctx, "qemu-system-x86_64", append(args, "-device", card+",netdev=n")...)
}

// startAndEnd returns how long QEMU takes for an image that ends at once.
func startAndEnd(ctx context.Context, machine, memory, image string) (time.Duration, error) {
	start := time.Now()
	g, err := harness.StartGuest(qemu(ctx, machine, memory, image))
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
	fmt.Fprintf(w, "QEMU without KVM, 1 processor; medians of %d runs; -m %s; memory is QEMU's proportional set size\n\n", o.runs, o.memory)
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
