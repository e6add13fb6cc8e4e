// Command ringo builds unikernels from Go programs and runs them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"
)

// exitFatal is the exit status for errors of ringo's own, as opposed to those
// of a program that it runs.
const exitFatal = 125

func main() {
	if len(os.Args) > 1 && os.Args[1] == "toolexec" {
		os.Exit(toolexec(os.Args[2:]))
	}
	if err := enoughFiles(); err != nil {
		os.Exit(status(err))
	}
	os.Exit(status(rootCommand(os.Args[1:]).ExecuteContext(context.Background())))
}

// leastFiles is how many files ringo needs to start. A machine with disks,
// directories and forwarded ports needs more, and says what it could not open.
const leastFiles = 32

// enoughFiles reports an error if this process may open too few files: Go's runtime
// would end it, and not say why.
func enoughFiles() error {
	var limit syscall.Rlimit
	// Package os has raised the limit to the hard one.
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= leastFiles {
		return nil
	}
	return errors.New("this process may open too few files; raise its limit (ulimit -Hn, or LimitNOFILE of systemd) to 1024")
}

// commands make ringo's commands, by their names.
var commands = map[string]func() *cobra.Command{
	"build": buildCommand, "run": runCommand, "image": imageCommand, "volume": volumeCommand,
	"env": envCommand, "doctor": doctorCommand, "version": versionCommand,
}

// rootCommand returns the command for arguments args.
func rootCommand(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "ringo",
		Short:         "Ringo builds unikernels from Go programs and runs them.",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	})
	if len(args) > 0 && commands[args[0]] != nil {
		// The others would take a thirtieth of the time in which a machine starts.
		root.CompletionOptions.DisableDefaultCmd = true
		root.AddCommand(commands[args[0]]())
		return root
	}
	for _, command := range commands {
		root.AddCommand(command())
	}
	return root
}

// exitError is an exit status without a message: what there is to say has been
// said already.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// status reports err, if there is one, and returns the exit status for it.
func status(err error) int {
	var exit exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return int(exit)
	}
	fmt.Fprintln(os.Stderr, "ringo:", err)
	return exitFatal
}
