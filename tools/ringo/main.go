// Command ringo builds unikernels from Go programs and runs them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/spf13/cobra"
)

// exitFatal is the exit status for errors of ringo's own, as opposed to those
// of a program that it runs.
const exitFatal = 125

func main() {
	root := &cobra.Command{
		Use:           "ringo",
		Short:         "Ringo builds unikernels from Go programs and runs them.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(buildCommand())
	os.Exit(status(root.ExecuteContext(context.Background())))
}

// errReported is an error that the user has already been told of.
var errReported = errors.New("already reported")

// status reports err, if there is one, and returns the exit status for it.
func status(err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if !errors.Is(err, errReported) && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "ringo:", err)
	}
	return exitFatal
}
