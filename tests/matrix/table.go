package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"ringo.dev/ringo/tools/machine"
)

// document is where the tables go, between the lines begin and end.
const (
	document = "docs/hypervisors.md"
	begin    = "<!-- what follows is written by go run ./tests/matrix -write -->"
	end      = "<!-- end of what is written -->"
)

// bootTable returns the results: a line for each machine and way to boot, a
// column for each card.
func bootTable(results map[cell]error, requests int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, without KVM, %d of %d boots. Each ✓ stands for 4 of them (1 and 2 processors,\n`-cpu qemu64` and `max`), each with %d requests answered and exit status 0.\n\n", qemuVersion(), len(results), len(cells()), requests)
	cards := machine.Cards()
	fmt.Fprintf(&b, "| machine | boot | %s |\n|---|---|%s\n", strings.Join(cards, " | "), strings.Repeat("---|", len(cards)))
	for _, m := range machines {
		for _, way := range machine.BootWays() {
			row := fmt.Sprintf("| %s | %s |", m, way)
			tried := false
			for _, card := range cards {
				text := summary(results, m, way, card)
				tried = tried || text != untried
				row += " " + text + " |"
			}
			if tried {
				fmt.Fprintln(&b, row)
			}
		}
	}
	return b.String()
}

// untried is the summary of boots that were not made.
const untried = "–"

// summary says how the boots of one machine, way and card went: all well, or
// which did not.
func summary(results map[cell]error, m, way, card string) string {
	made := 0
	var bad []string
	for _, n := range counts {
		for _, model := range models {
			err, ok := results[cell{m, way, card, n, model}]
			if ok {
				made++
			}
			if err != nil {
				bad = append(bad, fmt.Sprintf("%d/%s", n, model))
			}
		}
	}
	switch {
	case made == 0:
		return untried
	case len(bad) > 0:
		return "✗ " + strings.Join(bad, ", ")
	case made < len(counts)*len(models):
		return fmt.Sprintf("✓ %d", made)
	}
	return "✓"
}

// guestTable returns how many properties of the guest programs each machine has
// shown.
func guestTable(list []shown) string {
	var b strings.Builder
	b.WriteString("Properties of the guest programs (tests/guests):\n\n| machine | shown | not shown |\n|---|---|---|\n")
	for _, s := range list {
		failures := strings.Join(s.failures, ", ")
		if failures == "" {
			failures = untried
		}
		fmt.Fprintf(&b, "| %s | %d | %s |\n", s.machine, s.passed, failures)
	}
	return b.String()
}

// qemuVersion returns QEMU's name and version.
func qemuVersion() string {
	path, err := machine.FindQEMU()
	if err != nil {
		return "QEMU"
	}
	out, _ := exec.Command(path, "--version").Output()
	line, _, _ := strings.Cut(string(out), "(")
	return strings.TrimSpace(strings.Replace(line, " emulator version", "", 1))
}

// writeTables puts the tables into the document.
func writeTables(tables string) error {
	data, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	from, to := bytes.Index(data, []byte(begin)), bytes.Index(data, []byte(end))
	if from < 0 || to < from {
		return fmt.Errorf("%s lacks the lines between which the tables go", document)
	}
	from += len(begin)
	return os.WriteFile(document, fmt.Appendf(nil, "%s\n\n%s\n%s", data[:from], tables, data[to:]), 0o644)
}
