package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/rt/overlay"
)

// sourceNames is the version of what renameSources does.
const sourceNames = "1"

// toolexec runs a tool for the go command (go help build, -toolexec). What the
// linker makes is finished for booting, source files are called what they are
// called in the GOROOT that is installed, and the standard library is compiled
// with a profile. Other tools are left alone. It returns the exit status.
func toolexec(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "ringo: toolexec is for the go command; use ringo build or ringo env")
		return exitFatal
	}
	asked := len(args) == 2 && args[1] == "-V=full"
	var err error
	switch tool := filepath.Base(args[0]); {
	case tool == "link" && asked:
		err = tellVersion(args, boot.Version())
	case tool == "link":
		err = link(args)
	case tool == "compile" && asked:
		var profile string
		if profile, err = profileVersion(overlay.Profile(os.Getenv("GOROOT"))); err == nil {
			err = tellVersion(args, sourceNames+profile)
		}
	case tool == "asm" && asked:
		err = tellVersion(args, sourceNames)
	default:
		goroot := os.Getenv("GOROOT")
		if tool == "compile" || tool == "asm" {
			renameSources(args, goroot)
		}
		if tool == "compile" {
			args = withProfile(args, overlay.Profile(goroot))
		}
		err = fmt.Errorf("%s: %w", args[0], syscall.Exec(args[0], args, os.Environ()))
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "ringo:", err)
	return exitFatal
}

// tellVersion answers the go command's question which tool this is. The answer
// is part of the build cache's keys.
func tellVersion(args []string, version string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%s ringo=%s\n", bytes.TrimSpace(out), version)
	return err
}

// renameSources changes the arguments of a compiler, which by -trimpath is told
// to call the overlay's files what they replace in goroot. "$GOROOT" is what
// the compiler itself writes for files there, and the linker completes.
func renameSources(args []string, goroot string) {
	for i := 1; i < len(args); i++ {
		if args[i-1] == "-trimpath" {
			args[i] = strings.ReplaceAll(args[i], "=>"+goroot+string(filepath.Separator), "=>$GOROOT"+string(filepath.Separator))
		}
	}
}

// withProfile adds the profile to the arguments of a compiler that compiles a package of
// the standard library, unless the program's own profile is among them.
func withProfile(args []string, profile string) []string {
	const flag = "-pgoprofile="
	own := slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, flag) })
	if profile == "" || own || !slices.Contains(args, "-std") {
		return args
	}
	return slices.Insert(args, 1, flag+profile)
}

// profileVersion returns what of the profile counts for the build cache: its contents.
func profileVersion(profile string) (string, error) {
	if profile == "" {
		return "", nil
	}
	data, err := os.ReadFile(profile)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("+%x", sha256.Sum256(data)), nil
}

// link runs the linker and finishes what it makes.
func link(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GOROOT="+overlay.Installed(os.Getenv("GOROOT")))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
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
