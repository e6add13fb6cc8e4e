// Package harness is what tests, benchmarks and stress runs share: it builds
// the ringo command from this source tree and programs with it, runs them as a
// user would, and makes networks to run them in.
package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Module is the import path of this module.
const Module = "ringo.dev/ringo"

// Ringo is the ringo command.
type Ringo struct {
	Path string // of the executable file

	dir string   // for programs
	env []string // beside os.Environ

	mu    sync.Mutex
	built map[string]func() (string, error)
}

// Build builds the command from this source tree, with more environment for the go
// command. It and the programs that it builds are put into dir, which stays the
// caller's.
func Build(ctx context.Context, dir string, env ...string) (*Ringo, error) {
	r := At(dir)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", r.Path, Module+"/tools/ringo")
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build ringo: %w\n%s", err, out)
	}
	return r, nil
}

// At returns the command that Build has put into dir.
func At(dir string) *Ringo {
	return &Ringo{Path: filepath.Join(dir, "ringo"), dir: dir, built: map[string]func() (string, error){}}
}

// WithGo returns the same command working with another Go release, such as
// "go1.27.4".
func (r *Ringo) WithGo(release string) (*Ringo, error) {
	other := At(filepath.Join(r.dir, release))
	other.Path = r.Path
	other.env = []string{"GOTOOLCHAIN=" + release}
	return other, os.MkdirAll(other.dir, 0o777)
}

// Command returns the command with arguments, ready to start.
func (r *Ringo) Command(ctx context.Context, args ...string) *exec.Cmd {
	readSources()
	cmd := exec.CommandContext(ctx, r.Path, args...)
	cmd.Env = append(os.Environ(), r.env...)
	return cmd
}

// readSources reads all directories of this module, once. What a test reads, go test
// looks at before it takes a result from its cache; what a command reads that the
// test starts, it does not know of. It begins to listen after TestMain has begun.
var readSources = sync.OnceFunc(func() {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", Module).Output()
	if err != nil {
		return // there are no sources: a program that was built from them runs alone
	}
	filepath.WalkDir(strings.TrimSpace(string(out)), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == ".git" {
			return filepath.SkipDir
		}
		return err
	})
})

// Program builds the package at the path pkg of this module with ringo build,
// and returns the name of the file. It builds each only once.
func (r *Ringo) Program(pkg string) (string, error) {
	r.mu.Lock()
	build, ok := r.built[pkg]
	if !ok {
		build = sync.OnceValues(func() (string, error) {
			file := filepath.Join(r.dir, strings.ReplaceAll(pkg, "/", "-")+".elf")
			out, err := r.Command(context.Background(), "build", "-o", file, Module+"/"+pkg).CombinedOutput()
			if err != nil {
				return "", fmt.Errorf("ringo build %s: %w\n%s", pkg, err, out)
			}
			return file, nil
		})
		r.built[pkg] = build
	}
	r.mu.Unlock()
	return build()
}

// Properties returns what a program that is built on tests/guests/check shows.
// It runs the program as a process.
func Properties(program string) ([]string, error) {
	out, err := exec.Command(program).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return strings.Fields(string(out)), nil
}

// Result is how a run ended.
type Result struct {
	Status int    // exit status of ringo
	Output string // standard output and error
}

// Run runs "ringo run" with arguments until it ends. An error says that it did
// not run, or that ctx ended first.
func (r *Ringo) Run(ctx context.Context, args ...string) (Result, error) {
	g, err := r.Start(ctx, args...)
	if err != nil {
		return Result{}, err
	}
	return g.Wait(ctx)
}

// Start starts "ringo run" with arguments. The end of ctx kills it.
func (r *Ringo) Start(ctx context.Context, args ...string) (*Guest, error) {
	return StartGuest(r.Command(ctx, append([]string{"run"}, args...)...))
}

// Guest is a program that runs, in a VM or as a process.
type Guest struct {
	cmd  *exec.Cmd
	done chan struct{} // closed at its end
	rest chan struct{} // closed when its output has come to an end; nil: no matter
	err  error         // of cmd.Wait; valid after done

	mu     sync.Mutex
	output bytes.Buffer
	more   chan struct{} // closed, and made anew, when there is more output
}

// StartGuest starts a command and collects its output.
func StartGuest(cmd *exec.Cmd) (*Guest, error) {
	g := newGuest(cmd)
	cmd.Stdout, cmd.Stderr = g, g
	return g, g.start()
}

func newGuest(cmd *exec.Cmd) *Guest {
	return &Guest{cmd: cmd, done: make(chan struct{}), more: make(chan struct{})}
}

func (g *Guest) start() error {
	if err := g.cmd.Start(); err != nil {
		return err
	}
	go func() {
		g.err = g.cmd.Wait()
		if g.rest != nil {
			<-g.rest
		}
		close(g.done)
	}()
	return nil
}

// Write takes output of the command.
func (g *Guest) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.more)
	g.more = make(chan struct{})
	return g.output.Write(b)
}

// look returns the output so far, and a channel that is closed when there is more.
func (g *Guest) look() (string, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.output.String(), g.more
}

// Output returns the output so far.
func (g *Guest) Output() string {
	text, _ := g.look()
	return text
}

// Process returns the process of the command.
func (g *Guest) Process() *os.Process { return g.cmd.Process }

// Done returns a channel that is closed when the command has ended.
func (g *Guest) Done() <-chan struct{} { return g.done }

// Await waits until the output contains text.
func (g *Guest) Await(ctx context.Context, text string) error {
	for {
		output, more := g.look()
		if strings.Contains(output, text) {
			return nil
		}
		select {
		case <-more:
		case <-g.done:
			if strings.Contains(g.Output(), text) {
				return nil
			}
			return fmt.Errorf("it ended (%v) before it printed %q:\n%s", g.err, text, g.Output())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q: %w\n%s", text, context.Cause(ctx), output)
		}
	}
}

// Wait waits for the end. If ctx ends first, it kills the command.
func (g *Guest) Wait(ctx context.Context) (Result, error) {
	select {
	case <-g.done:
	case <-ctx.Done():
		g.Stop()
		return Result{Status: -1, Output: g.Output()}, fmt.Errorf("killed: %w", context.Cause(ctx))
	}
	result := Result{Output: g.Output()}
	var exit *exec.ExitError
	switch {
	case g.err == nil:
	case errors.As(g.err, &exit):
		result.Status = exit.ExitCode()
	default:
		return result, g.err
	}
	return result, nil
}

// Stop kills the command and waits for its end.
func (g *Guest) Stop() {
	g.cmd.Process.Kill()
	<-g.done
}
