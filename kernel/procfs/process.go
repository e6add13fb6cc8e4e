package procfs

import (
	"strconv"
	"strings"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
	"ringo.dev/ringo/vmm/abi"
)

// processEntries lists what describes the process.
func (fs *FS) processEntries() []entry {
	k := fs.kernel
	return append(fs.taskEntries(), []entry{
		{name: "cgroup", content: literal("0::/\n")},
		{name: "environ", content: func() []byte {
			_, env, _ := k.Program()
			return nulTerminated(env)
		}},
		{name: "exe", target: k.Executable},
		{name: "limits", content: fs.limits},
		{name: "mountinfo", content: fs.mountinfo},
		{name: "mounts", content: fs.mounts},
		{name: "net", children: func() []entry { return fs.registered("net/") }},
		{name: "oom_score_adj", content: literal("0\n")},
		{name: "task", children: func() []entry {
			return []entry{{name: fs.pid, children: fs.taskEntries}}
		}},
	}...)
}

// taskEntries lists what describes the process and its threads alike.
func (fs *FS) taskEntries() []entry {
	k := fs.kernel
	place := func(which func() kernel.Location) entry {
		return entry{
			target: func() string {
				path, _ := k.DirectoryPath(which())
				return path
			},
			jump: func() (kernel.Location, kernel.Errno) { return which(), 0 },
		}
	}
	cwd := place(func() kernel.Location { _, cwd := k.Place(); return cwd })
	cwd.name = "cwd"
	root := place(func() kernel.Location { root, _ := k.Place(); return root })
	root.name = "root"
	return []entry{
		{name: "cmdline", content: func() []byte {
			args, _, _ := k.Program()
			return nulTerminated(args)
		}},
		{name: "comm", content: func() []byte {
			_, _, comm := k.Program()
			return []byte(comm + "\n")
		}},
		cwd,
		{name: "fd", children: fs.descriptors},
		{name: "maps", content: fs.maps},
		root,
		{name: "stat", content: fs.stat},
		{name: "statm", content: fs.statm},
		{name: "status", content: fs.status},
	}
}

func nulTerminated(list []string) []byte {
	var t text
	for _, s := range list {
		t.add(s, "\x00")
	}
	return t
}

// descriptors lists /proc/self/fd.
func (fs *FS) descriptors() (list []entry) {
	fs.kernel.EachDescriptor(func(fd int, d *kernel.Description) {
		list = append(list, entry{
			name:   strconv.Itoa(fd),
			target: func() string { return fs.kernel.Path(d) },
			jump:   func() (kernel.Location, kernel.Errno) { return fs.kernel.Reopen(d) },
			cookie: int64(fd) + 1,
		})
	})
	return list
}

// memory returns the bytes of the process's mappings, and of those that can be
// written.
func memory() (all, data uint64) {
	rt.EachMapping(func(start, end uintptr, prot int) {
		all += uint64(end - start)
		if prot&abi.ProtWrite != 0 {
			data += uint64(end - start)
		}
	})
	return all, data
}

// resident returns the memory in use. The process is all there is.
func resident() uint64 {
	total, free := rt.Memory()
	return total - min(free, total)
}

func (fs *FS) maps() []byte {
	var t text
	rt.EachMapping(func(start, end uintptr, prot int) {
		flags := []byte("---p")
		for i, bit := range []int{abi.ProtRead, abi.ProtWrite, abi.ProtExec} {
			if prot&bit != 0 {
				flags[i] = "rwx"[i]
			}
		}
		t.hex(uint64(start), 8).add("-").hex(uint64(end), 8)
		t.add(" ", string(flags), " 00000000 00:00 0")
		if prot&abi.ProtExec != 0 {
			// The program's text: what profiles are attributed to.
			t.add("                          ", fs.kernel.Executable())
		}
		t.add(" \n")
	})
	return t
}

// stat is one line of 52 fields (proc_pid_stat(5)); those of which nothing is
// known are 0.
func (fs *FS) stat() []byte {
	_, _, comm := fs.kernel.Program()
	busy, _ := rt.CPUTime()
	all, _ := memory()
	pid := uint64(syscall.Getpid())
	fields := [52]uint64{ // by their number less one
		4:  pid, // its group and session
		5:  pid,
		13: uint64(busy / tick),
		17: 20, // priority
		19: uint64(rt.Threads()),
		22: all,
		23: resident() / abi.PageSize,
		24: ^uint64(0), // limit of resident memory
	}
	var t text
	t.add(fs.pid, " (", comm, ") R")
	for _, v := range fields[3:] {
		t.add(" ", v)
	}
	return *t.add("\n")
}

func (fs *FS) statm() []byte {
	all, data := memory()
	var t text
	return *t.add(all/abi.PageSize, " ", resident()/abi.PageSize, " 0 ", (all-data)/abi.PageSize, " 0 ", data/abi.PageSize, " 0\n")
}

func (fs *FS) status() []byte {
	k := fs.kernel
	_, _, comm := k.Program()
	ids := k.IDs()
	all, data := memory()
	var t text
	t.add("Name:\t", comm, "\nUmask:\t0", strconv.FormatUint(uint64(k.CurrentUmask()), 8), "\nState:\tR (running)\n")
	t.add("Tgid:\t", fs.pid, "\nNgid:\t0\nPid:\t", fs.pid, "\nPPid:\t0\nTracerPid:\t0\n")
	for _, line := range []struct {
		name string
		ids  kernel.IDSet
	}{{"Uid:", ids.User}, {"Gid:", ids.Group}} {
		t.add(line.name, "\t", int64(line.ids.Real), "\t", int64(line.ids.Effective), "\t", int64(line.ids.Saved), "\t", int64(line.ids.Effective), "\n")
	}
	t.add("FDSize:\t", k.TableSize(), "\nGroups:\t")
	for _, g := range ids.Groups {
		t.add(int64(g), " ")
	}
	t.add("\n")
	for _, line := range []struct {
		name  string
		bytes uint64
	}{
		{"VmPeak:", all}, {"VmSize:", all}, {"VmLck:", 0}, {"VmPin:", 0},
		{"VmHWM:", resident()}, {"VmRSS:", resident()}, {"VmData:", data}, {"VmSwap:", 0},
	} {
		t.add(line.name, "\t").right(line.bytes>>10, 8).add(" kB\n")
	}
	t.add("Threads:\t", rt.Threads(), "\nSigQ:\t0/0\nNoNewPrivs:\t0\nSeccomp:\t0\n")
	cpus := rt.CPUs()
	t.add("Cpus_allowed_list:\t0-", cpus-1, "\nvoluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n")
	return t
}

func (fs *FS) limits() []byte {
	var t text
	pad := func(s string, width int) { t.add(s, strings.Repeat(" ", max(width-len(s), 1))) }
	pad("Limit", 26)
	pad("Soft Limit", 21)
	pad("Hard Limit", 21)
	t.add("Units     \n")
	for i, l := range []struct{ name, unit string }{
		{"Max cpu time", "seconds"}, {"Max file size", "bytes"}, {"Max data size", "bytes"},
		{"Max stack size", "bytes"}, {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
		{"Max processes", "processes"}, {"Max open files", "files"}, {"Max locked memory", "bytes"},
		{"Max address space", "bytes"}, {"Max file locks", "locks"}, {"Max pending signals", "signals"},
		{"Max msgqueue size", "bytes"}, {"Max nice priority", ""}, {"Max realtime priority", ""},
		{"Max realtime timeout", "us"},
	} {
		r, _ := fs.kernel.Limit(i, nil)
		pad(l.name, 26)
		for _, v := range []uint64{r.Cur, r.Max} {
			if v == ^uint64(0) {
				pad("unlimited", 21)
			} else {
				pad(strconv.FormatUint(v, 10), 21)
			}
		}
		pad(l.unit, 10)
		t.add("\n")
	}
	return t
}

// eachMount calls f for the mounts that the process can see.
func (fs *FS) eachMount(f func(m *kernel.Mount, path, options string)) {
	for _, m := range fs.kernel.Mounts() {
		path, ok := fs.kernel.DirectoryPath(kernel.Location{Mount: m, Node: m.FS.Root()})
		if !ok {
			continue // outside the process's root
		}
		options := "rw"
		if m.ReadOnly() {
			options = "ro"
		}
		f(m, escape(path), options+",relatime")
	}
}

// escape writes the characters that separate fields as octal numbers.
func escape(s string) string {
	return strings.NewReplacer("\\", `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(s)
}

func (fs *FS) mounts() []byte {
	var t text
	fs.eachMount(func(m *kernel.Mount, path, options string) {
		t.add(escape(m.Source), " ", path, " ", m.FS.Type(), " ", options, " 0 0\n")
	})
	return t
}

// mountinfo follows proc_pid_mountinfo(5).
func (fs *FS) mountinfo() []byte {
	var t text
	fs.eachMount(func(m *kernel.Mount, path, options string) {
		parent := m.ID
		if over := m.Over(); over.Mount != nil {
			parent = over.Mount.ID
		}
		t.add(m.ID, " ", parent, " 0:", m.Dev(), " / ", path, " ", options, " - ",
			m.FS.Type(), " ", escape(m.Source), " ", options[:2], "\n")
	})
	return t
}
