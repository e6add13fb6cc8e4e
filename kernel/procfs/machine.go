package procfs

import (
	"slices"
	"strings"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
	"ringo.dev/ringo/vmm/abi"
)

// tick is the length of a USER_HZ clock tick in nanoseconds.
const tick = 10_000_000

// rootEntries lists what describes the machine.
func (fs *FS) rootEntries() []entry {
	return []entry{
		{name: "self", target: func() string { return fs.pid }},
		{name: "thread-self", target: func() string { return fs.pid + "/task/" + fs.pid }},
		{name: fs.pid, children: fs.processEntries},
		{name: "cpuinfo", content: fs.cpuinfo},
		{name: "diskstats", content: fs.diskStats},
		{name: "filesystems", content: fs.fileSystems},
		{name: "loadavg", content: fs.loadavg},
		{name: "meminfo", content: fs.meminfo},
		{name: "mounts", target: func() string { return "self/mounts" }},
		{name: "partitions", content: fs.partitions},
		{name: "stat", content: fs.machineStat},
		{name: "sys", children: fs.sysEntries},
		{name: "uptime", content: fs.uptime},
		{name: "vmstat", content: vmstat},
		{name: "version", content: literal(kernel.SystemName + " version " + kernel.SystemRelease + " " + kernel.SystemVersion + "\n")},
	}
}

// registered lists net/unix, and what other parts of the guest added below a path, which
// ends in a slash if it is not empty.
func (fs *FS) registered(below string) []entry {
	var list []entry
	add := func(name string, generate func() []byte) {
		rest, ok := strings.CutPrefix(name, below)
		if !ok {
			return
		}
		first, _, deeper := strings.Cut(rest, "/")
		for _, e := range list {
			if e.name == first {
				return
			}
		}
		if deeper {
			list = append(list, entry{name: first, children: func() []entry { return fs.registered(below + first + "/") }})
		} else {
			list = append(list, entry{name: first, content: generate})
		}
	}
	add("net/unix", fs.unixSockets)
	fs.kernel.EachProc(add)
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return list
}

func (fs *FS) sysEntries() []entry {
	return []entry{
		{name: "fs", children: func() []entry {
			return []entry{
				{name: "file-max", content: literal("1048576\n")},
				{name: "file-nr", content: fs.openFiles},
				{name: "nr_open", content: literal("1048576\n")},
				{name: "pipe-max-size", content: literal("1048576\n")},
			}
		}},
		{name: "kernel", children: func() []entry {
			return []entry{
				{name: "domainname", content: func() []byte { return []byte(fs.kernel.Domain() + "\n") }},
				{name: "hostname", content: func() []byte { return []byte(fs.kernel.Hostname() + "\n") }},
				{name: "osrelease", content: literal(kernel.SystemRelease + "\n")},
				{name: "ostype", content: literal(kernel.SystemName + "\n")},
				{name: "pid_max", content: literal("4194304\n")},
				{name: "random", children: func() []entry {
					return []entry{
						{name: "boot_id", content: fs.bootID},
						// As Linux says it since its generator does not run out.
						{name: "entropy_avail", content: literal("256\n")},
						{name: "poolsize", content: literal("256\n")},
						{name: "uuid", content: newUUID},
					}
				}},
				{name: "threads-max", content: literal("65536\n")},
				{name: "vmstat", content: vmstat},
				{name: "version", content: literal(kernel.SystemVersion + "\n")},
			}
		}},
		{name: "net", children: func() []entry {
			return []entry{{name: "core", children: func() []entry {
				return []entry{{name: "somaxconn", content: literal("4096\n")}}
			}}}
		}},
		{name: "vm", children: func() []entry {
			return []entry{
				{name: "max_map_count", content: literal("1048576\n")},
				{name: "overcommit_memory", content: literal("0\n")},
			}
		}},
	}
}

func (fs *FS) fileSystems() []byte {
	types := fs.kernel.FileSystemTypes()
	slices.Sort(types)
	var t text
	for _, typ := range types {
		t.add("nodev\t", typ, "\n")
	}
	return t
}

// newUUID returns a random UUID (RFC 9562, version 4) as a line.
func newUUID() []byte {
	var b [16]byte
	rt.Random(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var t text
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			t.add("-")
		}
		t.hex(uint64(c), 2)
	}
	return *t.add("\n")
}

// bootID is a UUID that stays for as long as the machine runs.
func (fs *FS) bootID() []byte {
	fs.bootOnce.Do(func() { fs.boot = newUUID() })
	return fs.boot
}

// cpuinfo has the fields that programs count processors by. Features are not
// listed: programs find them by CPUID.
func (fs *FS) cpuinfo() []byte {
	var t text
	for i := range rt.CPUs() {
		t.add("processor\t: ", i, "\nvendor_id\t: unknown\nmodel name\t: virtual CPU\n",
			"physical id\t: 0\nsiblings\t: ", rt.CPUs(), "\ncore id\t\t: ", i, "\ncpu cores\t: ", rt.CPUs(), "\n\n")
	}
	return t
}

// loadavg shows no load: there is no run queue of processes whose length could
// be averaged.
func (fs *FS) loadavg() []byte {
	var t text
	return *t.add("0.00 0.00 0.00 1/", rt.Threads(), " ", fs.pid, "\n")
}

func (fs *FS) meminfo() []byte {
	total, free := rt.Memory()
	var t text
	for _, line := range []struct {
		name  string
		bytes uint64
	}{
		{"MemTotal:", total},
		{"MemFree:", free},
		{"MemAvailable:", free},
		{"Buffers:", 0},
		{"Cached:", 0},
		{"SwapCached:", 0},
		{"SwapTotal:", 0},
		{"SwapFree:", 0},
	} {
		t.add(line.name).right(line.bytes>>10, 24-len(line.name)).add(" kB\n")
	}
	return t
}

func (fs *FS) machineStat() []byte {
	busy, idle := rt.CPUTime()
	cpus := rt.CPUs()
	var t text
	t.add("cpu  ", busy/tick, " 0 0 ", idle/tick, " 0 0 0 0 0 0\n")
	for i := range cpus { // the times of each are not known apart
		t.add("cpu", i, " ", busy/tick/int64(cpus), " 0 0 ", idle/tick/int64(cpus), " 0 0 0 0 0 0\n")
	}
	t.add("ctxt 0\nbtime ", fs.kernel.Started().Unix(), "\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n")
	return t
}

// openFiles counts the open files: how many there are, could be had without making
// new ones, and may be.
func (fs *FS) openFiles() []byte {
	files := map[*kernel.Description]bool{}
	fs.kernel.EachDescriptor(func(_ int, d *kernel.Description) { files[d] = true })
	var t text
	return *t.add(len(files), "\t0\t1048576\n")
}

// vmstat has those of the counters that are known.
func vmstat() []byte {
	_, free := rt.Memory()
	var t text
	return *t.add("nr_free_pages ", free/abi.PageSize, "\npswpin 0\npswpout 0\n") // nothing is swapped
}

// unixSockets lists the sockets of AF_UNIX (unix(7)).
func (fs *FS) unixSockets() []byte {
	const (
		accepting              = 1 << 16 // __SO_ACCEPTCON, of Flags
		unconnected, connected = 1, 3    // SS_UNCONNECTED, SS_CONNECTED, of St
	)
	var t text
	t.add("Num       RefCount Protocol Flags    Type St Inode Path\n")
	fs.kernel.EachUnixSocket(func(s kernel.UnixSocket) {
		flags, state := uint64(0), uint64(unconnected)
		if s.Listening {
			flags = accepting
		}
		if s.Connected {
			state = connected
		}
		t.add("0000000000000000: 00000002 00000000 ").hex(flags, 8).add(" ").hex(uint64(s.Type), 4)
		t.add(" ").hex(state, 2).add(" ", s.Inode)
		if s.Name != "" {
			t.add(" ", strings.ReplaceAll(s.Name, "\x00", "@"))
		}
		t.add("\n")
	})
	return t
}

func (fs *FS) uptime() []byte {
	_, idle := rt.CPUTime()
	var t text
	t.hundredths(int64(time.Since(fs.kernel.Started()))).add(" ")
	return *t.hundredths(idle).add("\n")
}
