package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/pprof/profile"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tools/machine"
)

// What is executed only once until the first answer is in no profile of time, but there
// is much of it, and an emulator translates it, and a processor reads it, for this one
// time. A function that is called from one place in all that time is better there than
// called: so such calls are made to be often executed ones. Where a function has been
// inlined, calls come to light that the compiler had no part in before, which is why
// this takes some rounds, each with the profile that the last one has left.
const (
	startRounds = 5
	startWeight = 2 // samples; by 1 the compiler takes a call for a rare one
)

// edge is a call as a profile has it: who is called from which line of which function.
type edge struct {
	caller frame
	callee string
}

// startLabel is what the samples are labelled with that stand for calls of a start.
const startLabel = "start"

// started are the servers, packages of this module, whose starts are looked at: the one
// that was under load, and one that does more before it listens.
var started = []string{server, "examples/web"}

// addStarts puts the calls of starts into the profile in a file, in place of those that
// it has.
func addStarts(ctx context.Context, r *harness.Ringo, dir, file string) error {
	if err := removeStart(file); err != nil {
		return err
	}
	known := map[edge]bool{}
	for _, pkg := range started {
		if err := addStart(ctx, r, dir, harness.Module+"/"+pkg, file, known); err != nil {
			return err
		}
	}
	return nil
}

// addStart adds the calls of a program's start that are not known yet.
func addStart(ctx context.Context, r *harness.Ringo, dir, pkg, file string, known map[edge]bool) error {
	for round := range startRounds {
		program := filepath.Join(dir, "start.elf")
		build := r.Command(ctx, "build", "-pgo="+file, "-o", program, pkg)
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("ringo build %s: %w\n%s", pkg, err, out)
		}
		calls, err := startCalls(ctx, dir, program)
		if err != nil {
			return err
		}
		s, err := readSymbols(program)
		if err != nil {
			return err
		}
		edges, err := s.edges(loneCalls(calls))
		if err != nil {
			return err
		}
		maps.DeleteFunc(edges, func(e edge, _ bool) bool { return known[e] })
		fmt.Printf("%s, start %d: %d calls, %d more in the profile\n", pkg, round+1, len(calls), len(edges))
		if len(edges) == 0 {
			return nil
		}
		maps.Copy(known, edges)
		if err := addEdges(file, edges, s.lines); err != nil {
			return err
		}
	}
	return nil
}

// startCalls boots a program, a web server, and returns the calls that were executed
// until its first answer.
func startCalls(ctx context.Context, dir, program string) (map[call]bool, error) {
	dir, err := os.MkdirTemp(dir, "qemu-") // for files named like the program
	if err != nil {
		return nil, err
	}
	log := filepath.Join(dir, "translated.log")
	q := machine.QEMU{Machine: "microvm", Accel: "tcg", Boot: "pvh"}
	cmd, err := q.Command(ctx, dir, &machine.Options{
		Image:  program,
		Args:   []string{filepath.Base(program)},
		Memory: 128 << 20,
		CPUs:   1,
		Network: machine.Network{
			Kind:   "tap:" + tapName,
			Static: machine.Static{Addresses: []netip.Prefix{netip.MustParsePrefix(guestNet)}},
		},
	})
	if err != nil {
		return nil, err
	}
	// The log takes time, but the guest's clock counts instructions, 32 ns each.
	cmd.Args = append(cmd.Args, "-icount", "shift=5", "-d", "in_asm", "-D", log)
	g, err := harness.StartGuest(cmd)
	if err != nil {
		return nil, err
	}
	err = awaitAnswer(ctx, g)
	g.Stop()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readCalls(f)
}

// loneCalls returns the calls of functions that are called from one place only.
func loneCalls(calls map[call]bool) []call {
	places := map[uint64]int{}
	for c := range calls {
		places[c.target]++
	}
	return slices.DeleteFunc(slices.Collect(maps.Keys(calls)), func(c call) bool { return places[c.target] > 1 })
}

// edges returns the calls as the compiler looks for them. When it has inlined a function,
// it looks for the calls in it under the name of the function that they are in now, but
// with the lines that they are written at.
func (s *symbols) edges(calls []call) (map[edge]bool, error) {
	addresses := make([]uint64, len(calls))
	for i, c := range calls {
		addresses[i] = c.at
	}
	stacks, err := s.frames(addresses)
	if err != nil {
		return nil, err
	}
	edges := map[edge]bool{}
	for _, c := range calls {
		callee := s.functions[c.target]
		if callee == "" {
			continue // no function of Go's
		}
		stack := stacks[c.at]
		for i, f := range stack {
			for _, in := range stack[i:] {
				edges[edge{frame{in.function, f.line}, callee}] = true
			}
			callee = f.function
		}
	}
	return edges, nil
}

// removeStart takes the calls of a start out of the profile in a file.
func removeStart(file string) error {
	p, err := readProfile(file)
	if err != nil {
		return err
	}
	p.Sample = slices.DeleteFunc(p.Sample, func(s *profile.Sample) bool { return len(s.Label[startLabel]) > 0 })
	return writeProfile(file, p.Compact())
}

// addEdges adds calls to the profile in a file. lines says where functions begin.
func addEdges(file string, edges map[edge]bool, lines map[string]int64) error {
	p, err := readProfile(file)
	if err != nil {
		return err
	}
	functions := map[string]*profile.Function{}
	for _, f := range p.Function {
		functions[f.Name] = f
	}
	locations := map[frame]*profile.Location{}
	location := func(at frame) *profile.Location {
		if l := locations[at]; l != nil {
			return l
		}
		f := functions[at.function]
		if f == nil {
			f = &profile.Function{ID: uint64(len(p.Function) + 1), Name: at.function, SystemName: at.function, StartLine: lines[at.function]}
			p.Function = append(p.Function, f)
			functions[at.function] = f
		}
		l := &profile.Location{ID: uint64(len(p.Location) + 1), Line: []profile.Line{{Function: f, Line: at.line}}}
		p.Location = append(p.Location, l)
		locations[at] = l
		return l
	}
	values := []int64{startWeight, startWeight * p.Period}
	for e := range edges {
		if lines[e.caller.function] == 0 || lines[e.callee] == 0 {
			continue // assembly
		}
		stack := []*profile.Location{location(frame{e.callee, lines[e.callee]}), location(e.caller)}
		p.Sample = append(p.Sample, &profile.Sample{Location: stack, Value: values, Label: map[string][]string{startLabel: {"call"}}})
	}
	if err := p.CheckValid(); err != nil {
		return err
	}
	return writeProfile(file, p)
}

func readProfile(file string) (*profile.Profile, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err == nil && len(p.SampleType) != 2 {
		err = errors.New("want samples and CPU time")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

func writeProfile(file string, p *profile.Profile) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := p.Write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
