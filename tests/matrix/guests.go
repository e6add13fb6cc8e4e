package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"

	"ringo.dev/ringo/tests/harness"
)

// shown is how many properties of the guest programs a kind of machine has shown.
type shown struct {
	machine        string
	passed, failed int
	failures       []string
}

// showGuests runs the test of the guest programs on QEMU's machines and counts
// by machine and number of processors.
func showGuests(ctx context.Context) ([]shown, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-timeout", "4h", harness.Module+"/tests", "-run", "^TestMetal$", "-full")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var list []shown
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var event struct{ Action, Test string }
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Action != "pass" && event.Action != "fail" {
			continue
		}
		// TestMetal/MACHINE/GUEST/PROPERTY/WAY
		parts := strings.Split(event.Test, "/")
		if len(parts) != 5 {
			continue
		}
		i := 0
		for i < len(list) && list[i].machine != parts[4] {
			i++
		}
		if i == len(list) {
			list = append(list, shown{machine: parts[4]})
		}
		if event.Action == "pass" {
			list[i].passed++
			continue
		}
		list[i].failed++
		list[i].failures = append(list[i].failures, parts[2]+"/"+parts[3])
	}
	if err := cmd.Wait(); err != nil && len(list) == 0 {
		return nil, err
	}
	return list, nil
}
