package main

import (
	"cmp"
	"debug/dwarf"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A frame is a function, and a line in it.
type frame struct {
	function string
	line     int64 // of its file
}

// symbols says what addresses of a program mean.
type symbols struct {
	data      *dwarf.Data
	functions map[uint64]string // by their first instruction
	lines     map[string]int64  // where functions begin
	names     map[dwarf.Offset]string
}

// readSymbols reads the symbols of the program in file.
func readSymbols(file string) (*symbols, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := f.DWARF()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s := &symbols{data, map[uint64]string{}, map[string]int64{}, map[dwarf.Offset]string{}}
	var functions []*dwarf.Entry // that have code of their own
	err = s.each(func(e, _ *dwarf.Entry) error {
		if e.Tag != dwarf.TagSubprogram {
			return nil
		}
		if _, ok := e.Val(dwarf.AttrLowpc).(uint64); ok {
			functions = append(functions, e)
		}
		if name, ok := e.Val(dwarf.AttrName).(string); ok {
			s.names[e.Offset] = name
			// A wrapper between assembly and Go has the function's name, and line 1.
			line, _ := e.Val(dwarf.AttrDeclLine).(int64)
			s.lines[name] = max(s.lines[name], line)
		}
		return nil
	})
	for _, e := range functions {
		start, _ := e.Val(dwarf.AttrLowpc).(uint64)
		s.functions[start] = s.name(e)
	}
	return s, err
}

// each calls f with all entries, and the compilation unit each is in.
func (s *symbols) each(f func(e, unit *dwarf.Entry) error) error {
	var unit *dwarf.Entry
	for r := s.data.Reader(); ; {
		e, err := r.Next()
		if err != nil || e == nil {
			return err
		}
		if e.Tag == dwarf.TagCompileUnit {
			unit = e
		}
		if err := f(e, unit); err != nil {
			return err
		}
	}
}

// frames returns the frames at addresses: the function whose instruction is there, those
// that it was inlined into, and last the one that they are all part of.
func (s *symbols) frames(addresses []uint64) (map[uint64][]frame, error) {
	addresses = slices.Clone(addresses)
	slices.Sort(addresses)
	lines := map[uint64]int64{}
	stacks := map[uint64][]frame{}
	err := s.each(func(e, unit *dwarf.Entry) error {
		switch e.Tag {
		case dwarf.TagCompileUnit:
			return s.lookUpLines(unit, addresses, lines)
		case dwarf.TagSubprogram, dwarf.TagInlinedSubroutine:
		default:
			return nil
		}
		ranges, err := s.data.Ranges(e)
		if err != nil {
			return err
		}
		callLine, _ := e.Val(dwarf.AttrCallLine).(int64)
		for _, r := range ranges {
			for _, a := range within(addresses, r[0], r[1]) {
				inner := frame{s.name(e), lines[a]}
				if e.Tag == dwarf.TagSubprogram {
					stacks[a] = []frame{inner}
				} else if stack := stacks[a]; len(stack) > 0 {
					stack[0].line = callLine
					stacks[a] = slices.Insert(stack, 0, inner)
				}
			}
		}
		return nil
	})
	return stacks, err
}

// name returns the name of a function's entry, or of the entry that it is a copy of: what
// has been inlined has one entry for all copies.
func (s *symbols) name(e *dwarf.Entry) string {
	if name, ok := e.Val(dwarf.AttrName).(string); ok {
		return name
	}
	origin, _ := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
	return s.names[origin]
}

// lookUpLines adds to lines the lines of those sorted addresses that unit has.
func (s *symbols) lookUpLines(unit *dwarf.Entry, addresses []uint64, lines map[uint64]int64) error {
	r, err := s.data.LineReader(unit)
	if r == nil || err != nil {
		return err
	}
	var from, to dwarf.LineEntry
	for inside := false; ; from, inside = to, !to.EndSequence {
		if err := r.Next(&to); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if inside {
			for _, a := range within(addresses, from.Address, to.Address) {
				lines[a] = int64(from.Line)
			}
		}
	}
}

// within returns the part of the sorted addresses from begin to before end.
func within(addresses []uint64, begin, end uint64) []uint64 {
	i, _ := slices.BinarySearchFunc(addresses, begin, cmp.Compare[uint64])
	j, _ := slices.BinarySearchFunc(addresses, end, cmp.Compare[uint64])
	return addresses[i:max(i, j)]
}
