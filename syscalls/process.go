package syscalls

import (
	"syscall"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

func sysGetuid(t *task) (uintptr, Errno)  { return uintptr(t.k.IDs().User.Real), 0 }
func sysGeteuid(t *task) (uintptr, Errno) { return uintptr(t.k.IDs().User.Effective), 0 }
func sysGetgid(t *task) (uintptr, Errno)  { return uintptr(t.k.IDs().Group.Real), 0 }
func sysGetegid(t *task) (uintptr, Errno) { return uintptr(t.k.IDs().Group.Effective), 0 }

func sysGetresuid(t *task) (uintptr, Errno) { return t.storeIDs(t.k.IDs().User) }
func sysGetresgid(t *task) (uintptr, Errno) { return t.storeIDs(t.k.IDs().Group) }

func (t *task) storeIDs(ids kernel.IDSet) (uintptr, Errno) {
	for i, id := range []uint32{ids.Real, ids.Effective, ids.Saved} {
		p, err := need[uint32](t, i, true)
		if err != 0 {
			return 0, err
		}
		*p = id
	}
	return 0, 0
}

func sysSetuid(t *task) (uintptr, Errno) {
	return done(t.k.ChangeIDs(func(ids *kernel.IDs) Errno { return ids.User.Set(t.uint32(0), ids.Privileged()) }))
}

func sysSetgid(t *task) (uintptr, Errno) {
	return done(t.k.ChangeIDs(func(ids *kernel.IDs) Errno { return ids.Group.Set(t.uint32(0), ids.Privileged()) }))
}

func sysSetreuid(t *task) (uintptr, Errno) {
	return done(t.k.ChangeIDs(func(ids *kernel.IDs) Errno {
		return ids.User.SetTwo(t.uint32(0), t.uint32(1), ids.Privileged())
	}))
}

func sysSetregid(t *task) (uintptr, Errno) {
	return done(t.k.ChangeIDs(func(ids *kernel.IDs) Errno {
		return ids.Group.SetTwo(t.uint32(0), t.uint32(1), ids.Privileged())
	}))
}

func sysSetresuid(t *task) (uintptr, Errno) {
	return done(t.k.ChangeIDs(func(ids *kernel.IDs) Errno {
		return ids.User.SetThree(t.uint32(0), t.uint32(1), t.uint32(2), ids.Privileged())
	}))
}

func sysSetresgid(t *task) (uintptr, Errno) {
	return done(t.k.ChangeIDs(func(ids *kernel.IDs) Errno {
		return ids.Group.SetThree(t.uint32(0), t.uint32(1), t.uint32(2), ids.Privileged())
	}))
}

// maxGroups is NGROUPS_MAX.
const maxGroups = 65536

func sysGetgroups(t *task) (uintptr, Errno) {
	groups := t.k.IDs().Groups
	switch n := t.int(0); {
	case n < 0 || n > 0 && n < len(groups):
		return 0, syscall.EINVAL
	case n > 0:
		out, err := kernel.UserSlice[uint32](t.a[1], uintptr(len(groups)), true)
		if err != 0 {
			return 0, err
		}
		copy(out, groups)
	}
	return uintptr(len(groups)), 0
}

func sysSetgroups(t *task) (uintptr, Errno) {
	if t.a[0] > maxGroups {
		return 0, syscall.EINVAL
	}
	in, err := kernel.UserSlice[uint32](t.a[1], t.a[0], false)
	if err != 0 {
		return 0, err
	}
	groups := append([]uint32(nil), in...)
	return done(t.k.ChangeIDs(func(ids *kernel.IDs) Errno {
		if !ids.Privileged() {
			return syscall.EPERM
		}
		ids.Groups = groups
		return 0
	}))
}

// The process is alone: it has no parent, and leads its group and session.

func sysGetppid(t *task) (uintptr, Errno) { return 0, 0 }

func sysGetpgrp(t *task) (uintptr, Errno) { return uintptr(syscall.Getpid()), 0 }

func sysGetpgid(t *task) (uintptr, Errno) {
	if pid := t.int(0); pid != 0 && pid != syscall.Getpid() {
		return 0, syscall.ESRCH
	}
	return uintptr(syscall.Getpid()), 0
}

func sysSetpgid(t *task) (uintptr, Errno) {
	_, err := sysGetpgid(t)
	if group := t.int(1); err == 0 && group != 0 && group != syscall.Getpid() {
		err = syscall.EPERM
	}
	return 0, err
}

// sysSetsid is refused to the leader of a group.
func sysSetsid(t *task) (uintptr, Errno) { return 0, syscall.EPERM }

// sysWait finds no child to wait for.
func sysWait(t *task) (uintptr, Errno) { return 0, syscall.ECHILD }

func sysUname(t *task) (uintptr, Errno) {
	u, err := need[syscall.Utsname](t, 0, true)
	if err != 0 {
		return 0, err
	}
	*u = syscall.Utsname{}
	for _, f := range []struct {
		dst *[65]int8
		s   string
	}{
		{&u.Sysname, kernel.SystemName},
		{&u.Nodename, t.k.Hostname()},
		{&u.Release, kernel.SystemRelease},
		{&u.Version, kernel.SystemVersion},
		{&u.Machine, kernel.Machine},
		{&u.Domainname, t.k.Domain()},
	} {
		for i := range min(len(f.s), len(f.dst)-1) {
			f.dst[i] = int8(f.s[i])
		}
	}
	return 0, 0
}

func sysSethostname(t *task) (uintptr, Errno)   { return t.setName(t.k.SetHostname) }
func sysSetdomainname(t *task) (uintptr, Errno) { return t.setName(t.k.SetDomain) }

func (t *task) setName(set func(string) Errno) (uintptr, Errno) {
	const longest = 64
	if t.int(1) < 0 || t.int(1) > longest {
		return 0, syscall.EINVAL
	}
	name, err := t.buf(0, 1, false)
	if err != 0 {
		return 0, err
	}
	return done(set(string(name)))
}

func sysSysinfo(t *task) (uintptr, Errno) {
	info, err := need[syscall.Sysinfo_t](t, 0, true)
	if err != 0 {
		return 0, err
	}
	total, free := rt.Memory()
	*info = syscall.Sysinfo_t{
		Uptime:   int64(time.Since(t.k.Started()) / time.Second),
		Totalram: total,
		Freeram:  free,
		Procs:    uint16(rt.Threads()),
		Unit:     1,
	}
	return 0, 0
}

// sysGetrusage counts all time as the user's: there is no other mode.
func sysGetrusage(t *task) (uintptr, Errno) {
	const self, children, thread = 0, -1, 1
	out, err := need[syscall.Rusage](t, 1, true)
	if err != 0 {
		return 0, err
	}
	*out = syscall.Rusage{}
	switch t.int(0) {
	case self, thread:
		busy, _ := rt.CPUTime()
		out.Utime = syscall.NsecToTimeval(busy)
		total, free := rt.Memory()
		out.Maxrss = int64(total-min(free, total)) >> 10
	case children:
	default:
		return 0, syscall.EINVAL
	}
	return 0, 0
}

// ticksPerSecond is USER_HZ.
const ticksPerSecond = 100

func sysTimes(t *task) (uintptr, Errno) {
	out, err := value[syscall.Tms](t, 0, true)
	if err != 0 {
		return 0, err
	}
	if out != nil {
		busy, _ := rt.CPUTime()
		*out = syscall.Tms{Utime: busy / (1e9 / ticksPerSecond)}
	}
	return uintptr(time.Since(t.k.Started()) / (time.Second / ticksPerSecond)), 0
}

func sysTime(t *task) (uintptr, Errno) {
	now := time.Now().Unix()
	out, err := value[int64](t, 0, true)
	if err != 0 {
		return 0, err
	}
	if out != nil {
		*out = now
	}
	return uintptr(now), 0
}

func sysGetrlimit(t *task) (uintptr, Errno) {
	out, err := need[syscall.Rlimit](t, 1, true)
	if err != 0 {
		return 0, err
	}
	old, err := t.k.Limit(t.int(0), nil)
	if err == 0 {
		*out = old
	}
	return 0, err
}

func sysSetrlimit(t *task) (uintptr, Errno) {
	in, err := need[syscall.Rlimit](t, 1, false)
	if err != 0 {
		return 0, err
	}
	_, err = t.k.Limit(t.int(0), in)
	return 0, err
}

func sysPrlimit64(t *task) (uintptr, Errno) {
	if pid := t.int(0); pid != 0 && pid != syscall.Getpid() {
		return 0, syscall.ESRCH
	}
	in, err := value[syscall.Rlimit](t, 2, false)
	if err != 0 {
		return 0, err
	}
	out, err := value[syscall.Rlimit](t, 3, true)
	if err != 0 {
		return 0, err
	}
	old, err := t.k.Limit(t.int(1), in)
	if err == 0 && out != nil {
		*out = old
	}
	return 0, err
}

// The scheduler has one class and one priority.

func sysGetpriority(t *task) (uintptr, Errno) {
	const normal = 20 // 20 - nice
	return normal, 0
}

func sysAccepted(t *task) (uintptr, Errno) { return 0, 0 }

// sysNotRoot answers what would need a privilege that not even this machine's
// root has.
func sysNotRoot(t *task) (uintptr, Errno) { return 0, syscall.EPERM }

func sysGetcpu(t *task) (uintptr, Errno) {
	for i := range 2 { // cpu, node
		p, err := value[uint32](t, i, true)
		if err != 0 {
			return 0, err
		}
		if p != nil {
			*p = 0
		}
	}
	return 0, 0
}

func sysReboot(t *task) (uintptr, Errno) {
	const (
		magic1  = 0xfee1dead
		restart = 0x01234567
		halt    = 0xcdef0123
		off     = 0x4321fedc
		cadOn   = 0x89abcdef
		cadOff  = 0
	)
	if t.uint32(0) != magic1 {
		return 0, syscall.EINVAL
	}
	switch t.uint32(2) {
	case restart:
		t.k.Sync()
		rt.Restart()
	case halt, off:
		t.k.Sync()
		rt.Exit(0)
	case cadOn, cadOff:
		return 0, 0
	}
	return 0, syscall.EINVAL
}

// sysMembarrier says that no command is supported, which callers must expect.
func sysMembarrier(t *task) (uintptr, Errno) {
	const query = 0
	if t.int(0) == query {
		return 0, 0
	}
	return 0, syscall.EINVAL
}
