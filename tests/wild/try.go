package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ringo.dev/ringo/tests/harness"
)

// way is where a program runs.
type way struct {
	flags   []string      // of ringo run
	process bool          // of this system, with its ports and files
	patient time.Duration // how long an answer may take
}

var ways = map[string]way{
	"vm":      {patient: time.Minute},
	"smp2":    {flags: []string{"--smp", "2"}, patient: time.Minute},
	"qemu":    {flags: []string{"--vmm", "qemu"}, patient: 5 * time.Minute},
	"process": {flags: []string{"--vmm", "process"}, process: true, patient: time.Minute},
}

// server is a program that runs.
type server struct {
	guest  *harness.Guest
	file   string            // which runs as a process, too
	client string            // of program.client
	ports  map[string]string // of the program, as "53/udp"; to those of this system
}

// addr returns where the program's port is to be reached.
func (s *server) addr(port string) string { return net.JoinHostPort("127.0.0.1", s.ports[port]) }

// run runs a client, with arguments, as a process.
func (s *server) run(ctx context.Context, client string, args ...string) error {
	if out, err := exec.CommandContext(ctx, client, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("the client: %w\n%s", err, out)
	}
	return nil
}

// try runs a program and asks it, again and again until it has answered or w's
// patience has come to an end. Then it stops it by SIGTERM, and wants it to end.
func try(ctx context.Context, ringo *harness.Ringo, p *program, file string, w way) (output string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*w.patient)
	defer cancel()
	dir, err := os.MkdirTemp("", "ringo-wild-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	s := &server{file: file, client: clientOf(file), ports: map[string]string{}}
	flags, data := append([]string(nil), w.flags...), "/data"
	for name, content := range p.config {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			return "", err
		}
	}
	if w.process {
		data = dir
	} else {
		more, err := machine(ctx, ringo, p, dir)
		if err != nil {
			return "", err
		}
		flags = append(flags, more...)
	}
	for _, port := range p.ports {
		s.ports[port], _, _ = strings.Cut(port, "/")
		if w.process {
			continue
		}
		if s.ports[port], err = harness.FreePort(); err != nil {
			return "", err
		}
		flags = append(flags, "-p", "127.0.0.1:"+s.ports[port]+":"+port)
	}
	flags = append(flags, file, "--")
	for _, arg := range p.args {
		flags = append(flags, strings.ReplaceAll(arg, "DATA", data))
	}
	if s.guest, err = ringo.Start(ctx, flags...); err != nil {
		return "", err
	}
	defer s.guest.Stop()
	if err := s.ask(ctx, p, w.patient); err != nil {
		return s.guest.Output(), err
	}
	if err := s.guest.Process().Signal(syscall.SIGTERM); err != nil {
		return s.guest.Output(), err
	}
	if _, err := s.guest.Wait(ctx); err != nil {
		return s.guest.Output(), fmt.Errorf("it does not end by a signal: %w", err)
	}
	return s.guest.Output(), nil
}

// machine returns the flags for a virtual machine with what the program needs: its
// files are those of dir, or on a disk.
func machine(ctx context.Context, ringo *harness.Ringo, p *program, dir string) ([]string, error) {
	flags := []string{"-m", p.memory}
	switch {
	case p.disk:
		disk := filepath.Join(dir, "disk.img")
		if out, err := ringo.Command(ctx, "volume", "create", "--size", "1G", disk).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ringo volume create: %w\n%s", err, out)
		}
		flags = append(flags, "--disk", disk+":/data")
	case len(p.config) > 0:
		flags = append(flags, "-v", dir+":/data")
	}
	return flags, nil
}

// ask asks until the answer is right, the program has ended, or patience has.
func (s *server) ask(ctx context.Context, p *program, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := p.probe(ctx, s)
		if err == nil {
			return nil
		}
		select {
		case <-s.guest.Done():
			return fmt.Errorf("it has ended; before, %w", err)
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}
