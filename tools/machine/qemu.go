package machine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/net"
)

// QEMU says what machine of QEMU a program boots on.
type QEMU struct {
	Machine string // "q35", "pc" or "microvm"
	Accel   string // "tcg" or "kvm"
	Boot    string // the way in, one of BootWays
	CPU     string // QEMU's model of processor; "": the best that Accel has
	Card    string // the network card, one of Cards; "": virtio
}

// cards are the network cards by their names: as the machines with a PCI bus have
// them, and as microvm has them; "" is one that it cannot have. Nothing boots from
// them, so they need none of the ROMs for that.
var cards = map[string]struct {
	pci, microvm  string
	microvmLegacy bool
}{
	"virtio": {pci: "virtio-net-pci,disable-legacy=on,romfile=", microvm: "virtio-net-device"},
	"legacy": {pci: "virtio-net-pci,disable-modern=on,disable-legacy=off,romfile=", microvm: "virtio-net-device", microvmLegacy: true},
	"e1000":  {pci: "e1000,romfile="},
}

// Cards returns the names of the network cards.
func Cards() []string { return slices.Sorted(maps.Keys(cards)) }

// qemuCommand is the program, and qemuPackage what Debian has it in.
const (
	qemuCommand = "qemu-system-x86_64"
	qemuPackage = "qemu-system-x86"
)

// debugExit is the port of isa-debug-exit, as package runtime's additions know it.
const debugExit = 0xf4

// FindQEMU returns the path of the QEMU that is installed.
func FindQEMU() (string, error) {
	path, err := exec.LookPath(qemuCommand)
	if err != nil {
		return "", fmt.Errorf("%s is not installed; on Debian: apt-get install %s", qemuCommand, qemuPackage)
	}
	return path, nil
}

// endedBy is the signal that ended QEMU: the second that asks for the end.
type endedBy struct{ syscall.Signal }

func (e endedBy) Error() string { return "ended by signal " + e.Signal.String() }

// endDelay is how long QEMU may take to end.
const endDelay = 2 * time.Second

// Run runs the program on QEMU to its end and returns its exit status, like the
// function Run. What QEMU itself has to say goes to standard error.
func (q *QEMU) Run(ctx context.Context, o Options) (status int, err error) {
	if len(o.Shares) > 0 {
		return 0, errors.New("-v is for ringo's own VMM (--vmm kvm); give QEMU a disk")
	}
	dir, err := os.MkdirTemp("", "ringo-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	port := newSerialPort()
	o.mark = port.mark
	stop, err := handOn(port.signal, func(sig syscall.Signal) { cancel(endedBy{sig}) })
	if err != nil {
		return 0, err
	}
	defer stop()
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, errTimeout)
		defer cancel()
	}
	cmd, err := q.Command(ctx, dir, &o)
	if err != nil {
		return 0, err
	}
	console := lastLine{w: o.Console}
	complaints := complaints{w: os.Stderr}
	output := requests{w: &console, port: port}
	cmd.Stdout, cmd.Stderr = &output, &complaints
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = endDelay
	if err = startDeaf(cmd); err == nil {
		go port.carry(ctx, stdin)
		go port.read(ctx, o.Input)
		err = errors.Join(cmd.Wait(), output.flush())
	}
	var by endedBy
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &by):
		return 128 + int(by.Signal), nil
	case errors.Is(cause, errTimeout):
		fmt.Fprintf(os.Stderr, "ringo: the program did not end within %v\n", o.Timeout)
		return StatusTimeout, nil
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == qemuFailed && complaints.failed && len(console.tail) == 0:
		return 0, fmt.Errorf("%s did not start the machine; it says above why", qemuCommand)
	case errors.As(err, &exit) && exit.ExitCode() > 0 && exit.ExitCode()&1 == 1:
		return console.status(exit.ExitCode() >> 1), nil
	case q.Accel == "kvm" && err != nil && exit != nil && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGABRT:
		return 0, fmt.Errorf("%s: %w; ringo doctor says whether KVM here is fit for --accel kvm, and --accel tcg does without", qemuCommand, err)
	case err != nil:
		return 0, fmt.Errorf("%s: %w", qemuCommand, err)
	}
	return 0, errors.New("the machine was switched off, or reset, before the program ended")
}

// startDeaf starts a command that does not hear of signals which ask for its end. A
// terminal, timeout(1) and systemd send them to QEMU as well as to ringo, which hands
// them on to the program. A process begins with those signals blocked that its parent's
// thread has blocked, and QEMU leaves it at that.
func startDeaf(cmd *exec.Cmd) error {
	var set, before unix.Sigset_t
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
		set.Val[0] |= 1 << (sig - 1)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, &before); err != nil {
		return os.NewSyscallError("rt_sigprocmask", err)
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) // it was possible in the other direction
	return cmd.Start()
}

// Command returns the command that boots the program on QEMU, with the console at its
// standard input and output. Files that it needs are put into dir.
func (q *QEMU) Command(ctx context.Context, dir string, o *Options) (*exec.Cmd, error) {
	path, err := FindQEMU()
	if err != nil {
		return nil, err
	}
	args, err := q.args(dir, o)
	if err != nil {
		return nil, err
	}
	if q.canBootQuickly() && hasQuickFirmware(path) {
		args = append(args, "-bios", quickFirmware)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = environment(os.Environ())
	return cmd, nil
}

// environment returns QEMU's environment. What the emulated processor's thread allocates
// while it translates the program comes from the process's one heap, which grows by some
// megabytes at once; glibc would ask Linux for every single page of a second heap, 400
// times until a web server answers. The user's settings, if there are any, count instead.
func environment(own []string) []string {
	const name, settings = "GLIBC_TUNABLES=", "glibc.malloc.arena_max=1:glibc.malloc.top_pad=2097152"
	if slices.ContainsFunc(own, func(v string) bool { return strings.HasPrefix(v, name) }) {
		return own
	}
	return append(slices.Clip(own), name+settings)
}

// quickFirmware is the firmware of microvm, which does little but start a kernel. On
// the other machines that saves half of the time before the program's first
// instruction.
const quickFirmware = "qboot.rom"

// leastMemory is what the smallest program needs to say that it needs more.
const leastMemory = 8 << 20

// canBootQuickly reports whether quickFirmware can take the place of the machine's
// own. It reads no disks, and gives PCI devices neither addresses, which package
// drivers/pci makes up for where they are of memory, nor interrupt lines.
func (q *QEMU) canBootQuickly() bool {
	return q.Machine != "microvm" && (q.Boot == "multiboot" || q.Boot == "pvh") && cmp.Or(q.Card, "virtio") == "virtio"
}

// hasQuickFirmware reports whether the QEMU at path has quickFirmware.
func hasQuickFirmware(path string) bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(path), "../share/qemu", quickFirmware))
	return err == nil
}

// args returns QEMU's arguments. Files that they name are put into dir.
func (q *QEMU) args(dir string, o *Options) ([]string, error) {
	if !slices.Contains([]string{"q35", "pc", "microvm"}, q.Machine) {
		return nil, fmt.Errorf("--machine %s: want q35, pc or microvm", q.Machine)
	}
	cpu := map[string]string{"tcg": "max", "kvm": "host"}[q.Accel]
	if cpu == "" {
		return nil, fmt.Errorf("--accel %s: want tcg or kvm", q.Accel)
	}
	if q.CPU != "" {
		cpu = q.CPU
	}
	if err := q.check(o); err != nil {
		return nil, err
	}
	boot, err := q.bootArgs(dir, o)
	if err != nil {
		return nil, err
	}
	args := append(boot,
		"-machine", q.machine(o), "-accel", q.Accel, "-cpu", cpu,
		"-m", strconv.FormatInt(o.Memory>>20, 10), "-smp", strconv.Itoa(o.CPUs),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-serial", "stdio",
		"-device", fmt.Sprintf("isa-debug-exit,iobase=%#x,iosize=4", debugExit),
	)
	card, err := q.cardArgs(&o.Network)
	if err != nil {
		return nil, err
	}
	args = append(args, card...)
	disks, err := q.diskArgs(o.Disks)
	if err != nil {
		return nil, err
	}
	return append(args, disks...), nil
}

// machine returns QEMU's machine with its properties. A microvm with one processor has
// no ACPI tables, which QEMU, its firmware and the guest spend a twentieth of the start
// on: the guest needs them to find other processors. Devices are in the command line
// instead, which QEMU adds them to for PVH, but not for multiboot.
func (q *QEMU) machine(o *Options) string {
	if q.Machine == "microvm" && q.Boot == "pvh" && o.CPUs == 1 {
		return "microvm,acpi=off"
	}
	return q.Machine
}

// check returns what QEMU would say less clearly, or nobody.
func (q *QEMU) check(o *Options) error {
	if o.CPUs < 1 || o.CPUs > abi.MaxVCPUs {
		return fmt.Errorf("--smp %d: want a number from 1 to %d", o.CPUs, abi.MaxVCPUs)
	}
	if o.Memory < leastMemory {
		return fmt.Errorf("-m %dM is too little: a program is loaded at 4 MiB; give the machine at least %dM", o.Memory>>20, leastMemory>>20)
	}
	_, err := o.Network.netdev()
	return err
}

// cardArgs returns the arguments for the network card.
func (q *QEMU) cardArgs(n *Network) (args []string, err error) {
	card, ok := cards[cmp.Or(q.Card, "virtio")]
	if !ok {
		return nil, fmt.Errorf("--card %s: want one of %s", q.Card, strings.Join(Cards(), ", "))
	}
	model := card.pci
	if q.Machine == "microvm" {
		if model = card.microvm; model == "" {
			return nil, fmt.Errorf("--card %s: microvm has no PCI bus for it; use --machine q35 or pc", q.Card)
		}
		if !card.microvmLegacy {
			args = append(args, "-global", "virtio-mmio.force-legacy=false")
		}
	}
	netdev, err := n.netdev()
	if err != nil || netdev == "" {
		return args, err
	}
	return append(args, "-netdev", netdev+",id=net", "-device", model+",netdev=net"), nil
}

// netdev returns QEMU's backend for the network, "" for none.
func (n *Network) netdev() (string, error) {
	tap, isTap := strings.CutPrefix(n.Kind, "tap:")
	switch {
	case len(n.Forwards) > 0 && n.Kind != "user":
		return "", errors.New("-p is for --net user; on a tap, the guest's own address is reached directly")
	case !isTap && !n.Static.isZero():
		return "", errStatic
	case n.Kind == "none":
		return "", nil
	case isTap && tap != "":
		if err := net.CheckTap(tap); err != nil {
			return "", err
		}
		return "tap,script=no,downscript=no,ifname=" + tap, nil
	case n.Kind != "user":
		return "", fmt.Errorf("--net %s: want user, tap:NAME or none", n.Kind)
	}
	var b strings.Builder
	b.WriteString("user")
	for _, f := range n.Forwards {
		proto, host := "tcp", ""
		if f.UDP {
			proto = "udp"
		}
		if f.Host.Addr().IsValid() {
			host = f.Host.Addr().String()
		}
		fmt.Fprintf(&b, ",hostfwd=%s:%s:%d-:%d", proto, host, f.Host.Port(), f.Guest)
	}
	return b.String(), nil
}

// commandLine returns what the program is told: boot configuration,
// environment, and arguments without the first, which is the image's name.
func commandLine(o *Options) (string, error) {
	seed := make([]byte, 32)
	rand.Read(seed)
	words := []string{fmt.Sprintf("ringo.seed=%x", seed), "ringo.program=" + o.Args[0]}
	settings := o.Kernel.settings()
	if o.mark != "" {
		settings["console"] = o.mark
	}
	maps.Copy(settings, mounts(o.Disks, nil))
	if o.Network.Kind == "none" {
		settings["net"] = "none"
	}
	if strings.HasPrefix(o.Network.Kind, "tap:") {
		static, err := o.Network.Static.settings()
		if err != nil {
			return "", err
		}
		for k, v := range static {
			settings[k] = v
		}
	}
	for k, v := range settings {
		words = append(words, "ringo."+k+"="+v)
	}
	slices.Sort(words)
	for _, e := range o.Env {
		words = append(words, "ringo.env."+e)
	}
	return boot.JoinLine(append(words, o.Args[1:]...))
}

// qemuFailed is QEMU's exit status if it does not come as far as starting the machine,
// and if the program ends with status 0.
const qemuFailed = 1

// complaints passes on what QEMU itself has to say, and knows whether that is more
// than warnings.
type complaints struct {
	w      io.Writer
	failed bool
}

func (c *complaints) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		if !bytes.Contains(line, []byte(" warning: ")) && !bytes.Contains(line, []byte(" info: ")) {
			c.failed = true
		}
	}
	return c.w.Write(b)
}

// lastLine passes output on and keeps the end of it, where rt says what the exit
// status is if that is not 0. QEMU's own holds only seven bits of it.
type lastLine struct {
	w    io.Writer
	tail []byte
}

func (l *lastLine) Write(b []byte) (int, error) {
	const keep = 64
	l.tail = append(l.tail, b...)
	l.tail = l.tail[max(0, len(l.tail)-keep):]
	return l.w.Write(b)
}

// status returns the exit status, whose low seven bits are low.
func (l *lastLine) status(low int) int {
	line := bytes.TrimRight(l.tail, "\r\n")
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	text, ok := strings.CutPrefix(string(line), "ringo: exit status ")
	if n, err := strconv.Atoi(text); ok && err == nil && n&0x7f == low&0x7f {
		return n
	}
	return low
}
