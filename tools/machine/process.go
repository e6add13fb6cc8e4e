package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

// RunProcess runs the program as a process of the host, with the same time
// limit and signals, but with the host's memory, CPUs and network.
func RunProcess(ctx context.Context, o Options) (status int, err error) {
	if len(o.Shares) > 0 {
		return 0, errors.New("-v is for virtual machines; a process has the host's files")
	}
	if len(o.Disks) > 0 {
		return 0, errors.New("--disk is for virtual machines; a process has the files of this system")
	}
	for _, f := range o.Network.Forwards {
		if f.Host.Port() != f.Guest {
			return 0, fmt.Errorf("-p %v is for virtual machines; a process is reached at the port where it listens, %d", f, f.Guest)
		}
	}
	image, err := filepath.Abs(o.Image)
	if err != nil {
		return 0, err
	}
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, errTimeout)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, image, o.Args[1:]...)
	cmd.Args[0] = o.Args[0]
	cmd.Dir = o.Kernel.Directory
	cmd.Env = append(os.Environ(), o.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, o.Console, os.Stderr

	// What comes from the terminal reaches the process by itself.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case s := <-signals:
				if s == syscall.SIGTERM || s == syscall.SIGHUP {
					cmd.Process.Signal(s) // it may just have ended
				}
			}
		}
	}()
	err = cmd.Wait()
	if errors.Is(context.Cause(ctx), errTimeout) {
		fmt.Fprintf(os.Stderr, "ringo: the program did not end within %v\n", o.Timeout)
		return StatusTimeout, nil
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, err
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}
