package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/rt/overlay"
)

// toolexec runs a tool for the go command (go help build, -toolexec), and
// finishes what the linker makes. It returns the exit status.
func toolexec(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "ringo: toolexec is for the go command; use ringo build or ringo env")
		return exitFatal
	}
	if filepath.Base(args[0]) != "link" {
		err := syscall.Exec(args[0], args, os.Environ())
		fmt.Fprintf(os.Stderr, "ringo: %s: %v\n", args[0], err)
		return exitFatal
	}
	if err := link(args); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		fmt.Fprintln(os.Stderr, "ringo:", err)
		return exitFatal
	}
	return 0
}

// link runs the linker.
func link(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	if len(args) == 2 && args[1] == "-V=full" {
		// The go command asks which linker this is.
		out, err := cmd.Output()
		fmt.Printf("%s ringo=%s\n", bytes.TrimSpace(out), boot.Version())
		return err
	}
	cmd.Stdout = os.Stdout
	// The linker writes down where source files are.
	cmd.Env = append(os.Environ(), "GOROOT="+overlay.Installed(os.Getenv("GOROOT")))
	if err := cmd.Run(); err != nil {
		return err
	}
	name := linkOutput(args[1:])
	if name == "" {
		return nil
	}
	warnings, err := boot.Finish(name)
	if errors.Is(err, boot.ErrNoGuest) {
		return nil // a build for another target
	}
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "ringo: warning:", w)
	}
	return err
}

// linkOutput returns the file name after the linker's flag -o.
func linkOutput(args []string) string {
	for i, arg := range args {
		if name, ok := strings.CutPrefix(arg, "-o="); ok {
			return name
		}
		if arg == "-o" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}
