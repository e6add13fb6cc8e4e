package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"ringo.dev/ringo/rt/line"
	"ringo.dev/ringo/tools/files"
	"ringo.dev/ringo/tools/machine"
	"ringo.dev/ringo/tools/target"
	"ringo.dev/ringo/vmm"
	"ringo.dev/ringo/vmm/net/gateway"
)

// runFlags are the flags of ringo run.
type runFlags struct {
	forwards list
	memory   machine.Size
	cpus     int
	network  string
	disks    list
	files    list
	shares   list
	env      list
	vmm      string
	qemu     machine.QEMU
	timeout  time.Duration
	ip       list
	gateway  string
	dns      list
	hostname string
	workdir  string
	strace   bool
	verbose  bool
}

func runCommand() *cobra.Command {
	f := runFlags{memory: 64 << 20}
	cmd := &cobra.Command{
		Use:   "run [flags] PKG|ELF [-- ARGS...]",
		Short: "Run a program in a virtual machine",
		Long: "Run builds a Go package, or takes a file that ringo build made, and runs it in a\n" +
			"virtual machine. The exit status is the program's; it is 125 for errors of\n" +
			"ringo's own and 124 when the time limit is over. Ctrl-C and SIGTERM reach the\n" +
			"program as SIGTERM, and end the virtual machine the second time.",
		Example: "  ringo run -p 8080:8080 ./examples/web\n" +
			"  ringo run --net none ./examples/hello -- --name gopher",
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range []string{"machine", "accel", "boot", "cpu", "card"} {
				if f.vmm != "qemu" && cmd.Flags().Changed(name) {
					return fmt.Errorf("--%s is for --vmm qemu; say that, too, or leave it out", name)
				}
			}
			return run(cmd.Context(), &f, args, cmd.ArgsLenAtDash())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.VarP(&f.forwards, "publish", "p", "forward the host's port to the guest's: `[IP:]HOST:GUEST[/udp]`; repeatable")
	flags.VarP(&f.memory, "memory", "m", "memory of the guest")
	flags.IntVar(&f.cpus, "smp", 1, "`NUMBER` of virtual CPUs")
	flags.StringVar(&f.network, "net", "user", "`NETWORK` of the guest: user, tap:NAME or none")
	flags.VarP(&f.shares, "volume", "v", "share a directory with the program: `HOSTDIR:/PATH[:ro]`; repeatable")
	flags.Var(&f.disks, "disk", "give it a disk, as /dev/vda and so on; with a path, the volume on it is mounted there; with :direct, past the host's page cache: `FILE[:/PATH][:ro][:direct]`; repeatable")
	flags.Var(&f.files, "files", filesUsage)
	flags.VarP(&f.env, "env", "e", "environment variable `K=V`, or K for its value here; repeatable")
	flags.StringVar(&f.vmm, "vmm", "kvm", "`PLACE` to run it in: kvm, qemu, or process for a process of this system")
	flags.StringVar(&f.qemu.Machine, "machine", "q35", "QEMU's `MACHINE`: q35, pc or microvm")
	flags.StringVar(&f.qemu.Accel, "accel", "tcg", "`WAY` for QEMU to run code: tcg or kvm")
	flags.StringVar(&f.qemu.Boot, "boot", "pvh", "the `WAY` QEMU boots it: "+strings.Join(machine.BootWays(), ", "))
	flags.StringVar(&f.qemu.CPU, "cpu", "", "QEMU's `MODEL` of processor, such as qemu64; default is the best that there is")
	flags.StringVar(&f.qemu.Card, "card", "virtio", "the network `CARD` that QEMU has: "+strings.Join(machine.Cards(), ", "))
	flags.DurationVar(&f.timeout, "timeout", 0, "end the program after this `TIME`, such as 10s; 0 is never")
	flags.Var(&f.ip, "ip", "`ADDR/BITS` of the guest on a tap, in place of DHCP; one of each family")
	flags.StringVar(&f.gateway, "gateway", "", "router's `ADDR` on a tap")
	flags.Var(&f.dns, "dns", "name server's `ADDR` on a tap; repeatable")
	flags.StringVarP(&f.workdir, "workdir", "w", "", "working `DIRECTORY` of the program; a guest makes it if there is none")
	flags.StringVar(&f.hostname, "hostname", "", "`NAME` of the machine")
	flags.BoolVar(&f.strace, "strace", false, "print the program's system calls on its console")
	flags.BoolVar(&f.verbose, "verbose", false, "say when DHCP has set up the network, and a guest's registers if it breaks")
	return cmd
}

// run runs what args name. dash is how many of them are before a "--", or -1.
func run(ctx context.Context, f *runFlags, args []string, dash int) error {
	if dash < 0 {
		dash = len(args)
	}
	if dash != 1 {
		return fmt.Errorf("name one package or file to run, and the program's arguments after --; see ringo run --help")
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	if o.Image, err = executable(ctx, args[0], f.files); err != nil {
		return err
	}
	o.Args = append([]string{filepath.Base(o.Image)}, args[1:]...)
	runner := machine.Run
	switch f.vmm {
	case "process":
		runner = machine.RunProcess
	case "qemu":
		runner = f.qemu.Run
	}
	status, err := runner(ctx, o)
	var guest *vmm.GuestError
	if f.verbose && errors.As(err, &guest) {
		fmt.Fprint(os.Stderr, guest.Registers())
	}
	switch {
	case err != nil:
		return err
	case status != 0:
		return exitError(status)
	}
	return nil
}

// options makes of the flags what package machine takes.
func (f *runFlags) options() (o machine.Options, err error) {
	if f.vmm != "kvm" && f.vmm != "qemu" && f.vmm != "process" {
		return o, fmt.Errorf("--vmm %s: want kvm, qemu or process", f.vmm)
	}
	if f.timeout < 0 {
		return o, fmt.Errorf("--timeout %v: want a positive time", f.timeout)
	}
	o = machine.Options{
		Memory:  int64(f.memory),
		CPUs:    f.cpus,
		Network: machine.Network{Kind: f.network},
		Timeout: f.timeout,
		Console: os.Stdout,
		Input:   os.Stdin,
		Size:    terminalSize(),
		Kernel: machine.Kernel{
			Hostname:  f.hostname,
			Directory: f.workdir,
			Stdin:     stream(os.Stdin),
			Stdout:    stream(os.Stdout),
			Verbose:   f.verbose,
			Trace:     f.strace,
		},
	}
	for flag, value := range map[string]string{"hostname": f.hostname, "workdir": f.workdir} {
		if problem := line.Problem(flag, value); value != "" && problem != "" && f.vmm != "process" {
			return o, fmt.Errorf("--%s %s: %s", flag, value, problem)
		}
	}
	if o.Env, err = environment(f.env); err != nil {
		return o, err
	}
	for _, p := range f.forwards {
		forward, err := gateway.ParseForward(p)
		if err != nil {
			return o, fmt.Errorf("-p: %w", err)
		}
		o.Network.Forwards = append(o.Network.Forwards, forward)
	}
	for _, text := range f.disks {
		d, err := machine.ParseDisk(text)
		if err != nil {
			return o, fmt.Errorf("--disk %w", err)
		}
		o.Disks = append(o.Disks, d)
	}
	for _, text := range f.shares {
		s, err := machine.ParseShare(text)
		if err != nil {
			return o, fmt.Errorf("-v %w", err)
		}
		o.Shares = append(o.Shares, s)
	}
	o.Network.Static, err = f.static()
	return o, err
}

// environment returns the environment that flags -e say. Of several values for
// one variable the last one counts, as for processes.
func environment(flags []string) (env []string, err error) {
	for _, e := range flags {
		name, _, ok := strings.Cut(e, "=")
		if name == "" {
			return nil, fmt.Errorf("-e %s: want K=V", e)
		}
		if !ok {
			value, set := os.LookupEnv(name)
			if !set {
				continue
			}
			e = name + "=" + value
		}
		env = slices.DeleteFunc(env, func(have string) bool { return strings.HasPrefix(have, name+"=") })
		env = append(env, e)
	}
	return env, nil
}

// static parses the flags for networks without DHCP.
func (f *runFlags) static() (s machine.Static, err error) {
	for _, text := range f.ip {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return s, fmt.Errorf("--ip %s: want an address and the length of its network's prefix, such as 10.0.0.2/24", text)
		}
		s.Addresses = append(s.Addresses, p)
	}
	if f.gateway != "" {
		if s.Gateway, err = netip.ParseAddr(f.gateway); err != nil {
			return s, fmt.Errorf("--gateway: %w", err)
		}
	}
	for _, text := range f.dns {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return s, fmt.Errorf("--dns: %w", err)
		}
		s.DNS = append(s.DNS, a)
	}
	return s, nil
}

// executable returns the file to run: arg itself, or what the package arg is built to,
// with flags of go build.
func executable(ctx context.Context, arg string, dirs []string, flags ...string) (string, error) {
	mounts, err := parseMounts(dirs)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(arg)
	switch {
	case err == nil && info.Mode().IsRegular() && !strings.HasSuffix(arg, ".go"):
		if len(mounts) > 0 {
			return "", fmt.Errorf("--files is for packages; give it to ringo build when %s is built", arg)
		}
		return arg, nil
	case err != nil && (strings.HasPrefix(arg, ".") || filepath.IsAbs(arg)):
		return "", fmt.Errorf("%w; name a Go package, or a file that ringo build made", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	t, err := target.New(ctx, ".", exe)
	if err != nil {
		return "", err
	}
	return t.BuildCached(ctx, arg, mounts, flags...)
}

// parseMounts parses the values of --files.
func parseMounts(dirs []string) (mounts []files.Mount, err error) {
	for _, d := range dirs {
		m, err := files.ParseMount(d)
		if err != nil {
			return nil, fmt.Errorf("--files: %w", err)
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// filesUsage describes --files.
const filesUsage = "pack a directory into the program, read-only: `DIR:/path`; repeatable"

// stream says what a program shall take a standard file of ours for.
func stream(f *os.File) machine.Stream {
	info, err := f.Stat()
	switch {
	case isTerminal(f):
		return machine.Terminal
	case err == nil && info.Mode()&os.ModeCharDevice != 0:
		return machine.Device
	}
	return machine.Pipe
}

// isTerminal reports whether f is a terminal.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// terminalSize returns what tells the size of the terminal, if there is one.
func terminalSize() func() (columns, rows uint16) {
	for _, f := range []*os.File{os.Stdout, os.Stdin} {
		if isTerminal(f) {
			return func() (columns, rows uint16) {
				size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
				if err != nil {
					return 0, 0 // it was hung up
				}
				return size.Col, size.Row
			}
		}
	}
	return nil
}
