package syscalls

import (
	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/dev"
	"ringo.dev/ringo/kernel/pages"
	"ringo.dev/ringo/kernel/procfs"
	"ringo.dev/ringo/kernel/tmpfs"
	"ringo.dev/ringo/rt"
)

// Start puts the kernel together and hands it to rt. As a process of the
// host's kernel it does nothing. The boot configuration may say
//
//	hostname=NAME  the host name
//	mount.N=…      what to mount (mountAll)
//	workdir=PATH   the working directory, / otherwise
//	strace=1       print every call on the console
//	stdin=KIND     what standard input is: terminal, device or pipe (dev.Kind)
//	stdout=KIND    what standard output and standard error are
func Start() {
	if !rt.Bare() {
		return
	}
	config := parseSettings(rt.Config())
	k, err := Build(&config)
	if err != 0 {
		rt.ConsoleWrite([]byte("ringo: the kernel does not start: " + err.Error() + "\n"))
		rt.Exit(startFailed)
	}
	var failed error
	if files := rt.Files(); files != nil {
		failed = mountFiles(k, files, &config)
	} else {
		failed = mountAll(k, &config)
	}
	if failed == nil && config.Workdir != "" {
		failed = changeDirectory(k, config.Workdir)
	}
	if failed != nil {
		rt.ConsoleWrite([]byte("ringo: " + failed.Error() + "\n"))
		rt.Exit(startFailed)
	}
	kernel.Install(k)
	table := NewTable(k, config.Trace)
	hooks := &rt.Kernel{Syscall: table.Syscall, PollOpen: kernel.PollOpen, PollClose: kernel.PollClose}
	if !config.Trace { // only those calls are seen that pass through Table
		NewTyped(k).install()
		hooks.Fcntl = kernel.Fcntl
	}
	rt.SetKernel(hooks)
	if config.UserData && rt.Linked[func([]string) []string](userData) == nil {
		rt.ConsoleWrite([]byte("ringo: user data: the program does not use package net, and cannot ask for it\n"))
	}
	if !rt.HasEntropy() {
		if err := dev.AddEntropy(); err != nil {
			rt.ConsoleWrite([]byte("ringo: fatal: no entropy: " + err.Error() + "\n"))
			rt.Exit(noEntropy)
		}
	}
}

// userData is the function that asks for user data, in programs that use the network.
const userData = "internal/ringo/netstack.UserData"

// noEntropy is the machine's exit status where rt's generator has nothing to begin
// with, as it is for everything that rt cannot do without.
const noEntropy = 2

// startFailed is the machine's exit status for an error of ringo's own.
const startFailed = 125

// Build makes a kernel with its file systems, devices and the descriptors 0 to
// 2. Nothing that a program may never look at is made before it does.
func Build(config *Settings) (*kernel.Kernel, Errno) {
	_, free := rt.Memory()
	const share = 2 // of the memory that is free now, files may take one part in so many
	store := pages.NewStore(int64(free / share))
	files := tmpfs.New(store, 0o755)
	k := kernel.New(files)
	if config.Hostname != "" {
		k.SetHostname(config.Hostname)
	}
	k.RegisterFileSystem("tmpfs", func(string) (kernel.FileSystem, Errno) { return tmpfs.New(store, 0o1777), 0 })
	k.RegisterFileSystem("proc", func(string) (kernel.FileSystem, Errno) { return procfs.New(k), 0 })
	k.RegisterFileSystem("virtiofs", openShared)

	top := files.Root().(*tmpfs.Dir)
	k.SetDisks(findDisks)
	k.SetTemp(fillRoot(top, k))
	if err := k.Mount(procfs.New(k), "/proc", "proc", false); err != 0 {
		return nil, err
	}

	mark := config.Mark
	rt.ConsoleListen(mark != "")
	console := dev.NewConsole(kindOf(config.Stdin), kindOf(config.Stdout), func() dev.Port { return dev.OpenPort(mark) })
	dev.Register(k, console)
	if err := console.Open(k); err != 0 {
		return nil, err
	}
	return k, 0
}

// kindOf returns what a standard descriptor is; a device if nobody says so.
func kindOf(kind dev.Kind) dev.Kind {
	if kind == "" {
		return dev.Device
	}
	return kind
}
