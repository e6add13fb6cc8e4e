package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"ringo.dev/ringo/tools/volumes"
)

// plan is what is to be done, and what has been.
type plan struct {
	cycles int
	seed   uint64
	plain  bool
	cpus   int
	image  string
	disk   string

	random   *rand.Rand
	promised map[string]uint64 // the version of each name that must not get lost
	early    int               // machines that were killed before they had checked
	synced   int               // versions promised
}

const (
	diskSize = 32 << 20

	// While a machine starts it is killed within startTime, and after that
	// within workTime.
	startTime = 150 * time.Millisecond
	workTime  = 400 * time.Millisecond
	// oneOf so many machines is killed while it starts.
	oneOf = 5
	// patience is for a machine to start and to check, on a busy host.
	patience = time.Minute
)

// crash makes a volume and goes through all cycles.
func (p *plan) crash(ctx context.Context, logf func(string, ...any)) error {
	p.random = rand.New(rand.NewPCG(p.seed, 1))
	p.promised = map[string]uint64{}
	if err := volumes.Create(p.disk, diskSize); err != nil {
		return err
	}
	for n := range p.cycles {
		if err := p.cycle(ctx); err != nil {
			return fmt.Errorf("cycle %d: %w; the disk is %s", n, err, p.disk)
		}
		if (n+1)%100 == 0 {
			logf("%d machines killed", n+1)
		}
	}
	return nil
}

// cycle runs a machine, kills it and checks the volume.
func (p *plan) cycle(ctx context.Context) error {
	m, err := p.start(ctx)
	if err != nil {
		return err
	}
	if p.random.IntN(oneOf) == 0 {
		p.early++
		time.Sleep(time.Duration(p.random.Int64N(int64(startTime))))
	} else if err := m.awaitChecked(); err != nil {
		m.kill()
		return err
	} else {
		time.Sleep(time.Duration(p.random.Int64N(int64(workTime))))
	}
	if err := m.kill(); err != nil {
		return err
	}
	if err := p.compare(m); err != nil {
		return err
	}
	return p.fsck()
}

// compare checks what a machine has said against what was promised before, and
// remembers its own promises.
func (p *plan) compare(m *machine) error {
	if m.checked {
		for name, version := range p.promised {
			if got, ok := m.had[name]; !ok || got < version {
				return fmt.Errorf("%s had version %d after version %d was synced", name, got, version)
			}
		}
	}
	for name, version := range m.synced {
		p.promised[name] = version
	}
	p.synced += m.promises
	return nil
}

// fsck checks the whole volume.
func (p *plan) fsck() error {
	var errs []error
	_, err := volumes.Check(p.disk, func(err error) { errs = append(errs, err) })
	return errors.Join(append(errs, err)...)
}

// machine is a process with a virtual machine, and what that has said.
type machine struct {
	cmd  *exec.Cmd
	news chan struct{} // closed when it has checked, or will not any more
	end  chan struct{} // closed when there is no more output

	// Valid when end is closed.
	had, synced map[string]uint64
	promises    int
	checked     bool
	failed      error
	output      []string // what is not understood
}

func (p *plan) start(ctx context.Context) (*machine, error) {
	text, err := json.Marshal(monitor{Image: p.image, Disk: p.disk, Seed: p.random.Uint64(), Plain: p.plain, CPUs: p.cpus})
	if err != nil {
		return nil, err
	}
	m := &machine{
		cmd:  exec.CommandContext(ctx, "/proc/self/exe"),
		news: make(chan struct{}), end: make(chan struct{}),
		had: map[string]uint64{}, synced: map[string]uint64{},
	}
	m.cmd.Env = append(os.Environ(), monitorVariable+"="+string(text))
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	m.cmd.Stderr = m.cmd.Stdout
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go m.read(out)
	return m, nil
}

// read takes the machine's output. A line that a kill has cut off does not count.
func (m *machine) read(out io.Reader) {
	defer close(m.end)
	defer func() {
		if !m.checked {
			close(m.news)
		}
	}()
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		m.line(strings.TrimRight(line, "\r\n"))
	}
}

func (m *machine) line(line string) {
	var name string
	var version uint64
	verb, rest, _ := strings.Cut(line, " ")
	switch n, _ := fmt.Sscanf(rest, "%s %d", &name, &version); {
	case line == "checked":
		m.checked = true
		close(m.news)
	case verb == "have" && n == 2:
		m.had[name] = version
	case verb == "synced" && n == 2:
		m.synced[name] = version
		m.promises++
	default:
		m.output = append(m.output, line)
		if m.failed == nil {
			m.failed = fmt.Errorf("the machine says: %s", line)
		}
	}
}

// awaitChecked waits until the machine has checked what was there.
func (m *machine) awaitChecked() error {
	select {
	case <-m.news:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("no answer within %v", patience)
	}
}

// kill kills the process, and returns what the machine had to complain about.
func (m *machine) kill() error {
	m.cmd.Process.Kill() // it may have ended
	<-m.end
	m.cmd.Wait() // says that it was killed
	if m.failed != nil {
		return fmt.Errorf("%w\n%s", m.failed, strings.Join(m.output, "\n"))
	}
	return nil
}
