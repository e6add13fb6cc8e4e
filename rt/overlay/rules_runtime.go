package overlay

import "regexp"

// runtimeRules hand parts of package runtime to rt (rt/goroot/runtime).
var runtimeRules = []Rule{
	{
		// rt's netpoll calls these when the program is a process.
		File:    "runtime/netpoll_epoll.go",
		Match:   `(?m)^func netpoll(init|open|close|Break|IsPollDescriptor)?\(`,
		Replace: "func epoll$1(",
		Count:   6,
		Why:     "put ringo's network poller in front of epoll",
	}, {
		// The thread's stack may be gone once wait is cleared, so ringo clears
		// it from another one. wait is in AX.
		File:    "runtime/sys_linux_amd64.s",
		Match:   `(?m)^(TEXT runtime·exitThread\(SB\),NOSPLIT,\$0-8\n\tMOVQ\twait\+0\(FP\), AX\n)`,
		Replace: "${1}\tCMPB\truntime·ringoBare(SB), $$0\n\tJEQ\t2(PC)\n\tJMP\truntime·ringoExitThread(SB)\n",
		Count:   1,
		Why:     "leave a thread's stack before it is given away",
	}, {
		// Reading time is among the most frequent things that programs do, and
		// needs neither another stack nor C's conventions (ringo_clock_amd64.s).
		File:    "runtime/sys_linux_amd64.s",
		Match:   `(?m)^TEXT runtime·nanotime1\(SB\)`,
		Replace: "TEXT runtime·hostedNanotime1(SB)",
		Count:   1,
		Why:     "read the clocks by few instructions",
	}, {
		File:    "runtime/time_linux_amd64.s",
		Match:   `(?m)^TEXT time·now<ABIInternal>\(SB\)`,
		Replace: "TEXT time·hostedNow<ABIInternal>(SB)",
		Count:   1,
		Why:     "read the clocks by few instructions",
	}, {
		// Package os asks for a descriptor's flags by this function.
		File:    "runtime/os_linux.go",
		Match:   `linux\.Syscall6\((linux\.SYS_FCNTL, .*)\)`,
		Replace: "ringoFcntl($1)",
		Count:   1,
		Why:     "answer system calls in the program's own kernel",
	}, {
		File:    "runtime/runtime1.go",
		Match:   `(?ms)^func goenvs_unix\(\) \{\n.*?envs\[i\] = .*?\n\t\}\n`,
		Replace: "${0}\tringoEnviron()\n",
		Count:   1,
		Why:     "give programs the variables that every container has",
	}, {
		File:    "runtime/proc.go",
		Match:   `notetsleep\(&sched\.sysmonnote, `,
		Replace: "ringoSysmonSleep(",
		Count:   1,
		Why:     "wake the runtime's monitor without system calls",
	}, {
		File:    "runtime/proc.go",
		Match:   `(?m)^(\t+)delay = 20\b`,
		Replace: "${1}delay = ringoSysmonDelay()",
		Count:   2,
		Why:     "let the runtime's monitor run less often, since no system call blocks a thread",
	}, {
		// Each of these calls, and its return, costs as much as what it does.
		File:    "sync/pool.go",
		Match:   `(?m)^\tl, (_|pid) := p\.pin\(\)$`,
		Replace: poolPin,
		Count:   2,
		Why:     "take from a pool and put back with fewer calls",
	}, {
		// Who has the only P finds all that there is to do in its queue, and in the
		// global one before it gives the P up.
		File:    "runtime/proc.go",
		Match:   `(?m)^func wakep\(\) \{$`,
		Replace: "$0\n\tif gomaxprocs == 1 && sched.npidle.Load() == 0 {\n\t\treturn\n\t}",
		Count:   1,
		Why:     onlyWhy,
	}, {
		File:    "runtime/proc.go",
		Match:   `(?m)^\tif (mp\.spinning \|\| 2\*sched\.nmspinning\.Load\(\) < gomaxprocs-sched\.npidle\.Load\(\)) \{$`,
		Replace: "\tif gomaxprocs > 1 && ($1) {",
		Count:   1,
		Why:     onlyWhy,
	}, {
		File:    "runtime/proc.go",
		Match:   `(?m)^\t\t\tdelay = 10 \* 1000\n\t\t\}\n`,
		Replace: "${0}\t\tdelay = ringoSysmonNap(delay)\n",
		Count:   1,
		Why:     "look soon whether a goroutine that was asked to yield did so",
	}, {
		File:    "runtime/proc.go",
		Match:   `(?m)^\t\t\tpreemptone\(pp\)$`,
		Replace: "\t\t\tringoPreempt(pp)",
		Count:   1,
		Why:     "preempt by a signal only what makes no calls",
	}, {
		File:    "runtime/proc.go",
		Match:   `(?m)^\tif run > run0 \{\n`,
		Replace: "${0}\t\tringoCheckDead()\n",
		Count:   1,
		Why:     "find deadlocks in spite of the kernel's own goroutines and timers",
	}, {
		File:    "runtime/proc.go",
		Match:   `\bstksize != uintptr\(startingStackSize\)`,
		Replace: "!ringoKeepsStack(stksize)",
		Count:   1,
		Why:     keepsStackWhy,
	}, {
		File:    "runtime/proc.go",
		Match:   `\bgp\.stack\.hi-gp\.stack\.lo != uintptr\(startingStackSize\)`,
		Replace: "!ringoKeepsStack(gp.stack.hi-gp.stack.lo)",
		Count:   1,
		Why:     keepsStackWhy,
	}, {
		File:    "runtime/mgcpacer.go",
		Match:   `(?m)^\tp := gogetenv\("GOMEMLIMIT"\)\n`,
		Replace: "${0}\tif p == \"\" && ringoBare != 0 {\n\t\treturn ringoMemoryLimit()\n\t}\n",
		Count:   1,
		Why:     "let the collector know how much memory the machine has",
	}, {
		File:    "runtime/proc.go",
		Match:   `(?m)^\tmaxstackceiling = 2 \* maxstacksize$`,
		Replace: "\tmaxstackceiling = ringoStackCeiling(2 * maxstacksize)",
		Count:   1,
		Why:     stackWhy,
	}, {
		File:    "runtime/os_nonopenbsd.go",
		Match:   `(?m)^func osStackFree\(s \*mspan\) \{\n`,
		Replace: "${0}\tringoStackFree(s)\n",
		Count:   1,
		Why:     stackWhy,
	},
}

const (
	stackWhy      = "end an endless recursion with a trace before the memory is at its end"
	keepsStackWhy = "let a goroutine have the stack of one that has ended"
	onlyWhy       = "not look for other processors where there is one"
)

// poolPin replaces a call of (*Pool).pin, which is left for who finds no pool of the P's.
const poolPin = `	if p == nil {
		panic("nil Pool")
	}
	var l *poolLocal
	pid := runtime_procPin()
	if uintptr(pid) < atomic.LoadUintptr(&p.localSize) {
		l = indexLocal(p.local, pid)
	} else {
		runtime_procUnpin()
		l, pid = p.pin()
	}
	_ = pid`

// packageSyscallRules send the system calls of Go code, which package syscall
// makes for everybody (also for golang.org/x/sys/unix), to rt's kernel door.
var packageSyscallRules = []Rule{
	{
		File:    "syscall/syscall_linux.go",
		Match:   `(?m)^(func (?:Raw)?Syscall6\(trap, a1, a2, a3, a4, a5, a6 uintptr\) \(r1, r2 uintptr, err Errno\) \{\n)`,
		Replace: "${1}\tif ringoBare != 0 {\n\t\tr1, r2, e := ringoKernelCall(trap, a1, a2, a3, a4, a5, a6)\n\t\treturn r1, r2, Errno(e)\n\t}\n",
		Count:   2,
		Why:     "answer system calls in the program's own kernel",
	}, {
		File:    "syscall/syscall_linux.go",
		Match:   `(?m)^(func Syscall\(trap, a1, a2, a3 uintptr\) \(r1, r2 uintptr, err Errno\) \{\n)`,
		Replace: "${1}\tif ringoBare != 0 {\n\t\tr1, r2, e := ringoKernelCall(trap, a1, a2, a3, 0, 0, 0)\n\t\treturn r1, r2, Errno(e)\n\t}\n",
		Count:   1,
		Why:     "answer system calls in the program's own kernel",
	}, {
		File:    "syscall/zsyscall_linux_amd64.go",
		Match:   `\brawSyscallNoError\(`,
		Replace: "ringoNoError(",
		Count:   8,
		Why:     "answer system calls in the program's own kernel",
	}, {
		File:    "syscall/syscall_linux.go",
		Match:   `errno := runtime_doAllThreadsSyscall\(`,
		Replace: "errno := ringoAllThreads(",
		Count:   2,
		Why:     "answer system calls in the program's own kernel",
	},
}

// typedRules make the wrappers of frequent calls in package syscall call the
// kernel's functions, which rt/goroot/syscall/ringo_typed.go declares.
func typedRules() []Rule {
	return []Rule{
		typed("read(fd int, p []byte) (n int, err error)", "ringoResult(ringoTyped.Read(fd, p))"),
		typed("write(fd int, p []byte) (n int, err error)", "ringoResult(ringoTyped.Write(fd, p))"),
		typed("pread(fd int, p []byte, offset int64) (n int, err error)", "ringoResult(ringoTyped.Pread(fd, p, offset))"),
		typed("pwrite(fd int, p []byte, offset int64) (n int, err error)", "ringoResult(ringoTyped.Pwrite(fd, p, offset))"),
		typed("Close(fd int) (err error)", "ringoError(ringoTyped.Close(fd))"),
		typed("openat(dirfd int, path string, flags int, mode uint32) (fd int, err error)", "ringoResult(ringoTyped.Openat(dirfd, path, flags, mode))"),
		typed("Fstat(fd int, stat *Stat_t) (err error)", "ringoError(ringoTyped.Fstat(fd, stat))"),
		typed("socket(domain int, typ int, proto int) (fd int, err error)", "ringoResult(ringoTyped.Socket(domain, typ, proto))"),
		typed("bind(s int, addr unsafe.Pointer, addrlen _Socklen) (err error)", "ringoError(ringoTyped.Bind(s, addr, uint32(addrlen)))"),
		typed("Listen(s int, n int) (err error)", "ringoError(ringoTyped.Listen(s, n))"),
		typed("accept4(s int, rsa *RawSockaddrAny, addrlen *_Socklen, flags int) (fd int, err error)", "ringoResult(ringoTyped.Accept4(s, rsa, (*uint32)(addrlen), flags))"),
		typed("recvfrom(fd int, p []byte, flags int, from *RawSockaddrAny, fromlen *_Socklen) (n int, err error)", "ringoResult(ringoTyped.Recvfrom(fd, p, flags, from, (*uint32)(fromlen)))"),
		typed("recvmsg(s int, msg *Msghdr, flags int) (n int, err error)", "ringoResult(ringoTyped.Recvmsg(s, msg, flags))"),
		typed("sendmsg(s int, msg *Msghdr, flags int) (n int, err error)", "ringoResult(ringoTyped.Sendmsg(s, msg, flags))"),
		typed("getsockname(fd int, rsa *RawSockaddrAny, addrlen *_Socklen) (err error)", "ringoError(ringoTyped.Getsockname(fd, rsa, (*uint32)(addrlen)))"),
		typed("setsockopt(s int, level int, name int, val unsafe.Pointer, vallen uintptr) (err error)", "ringoError(ringoTyped.Setsockopt(s, level, name, val, vallen))"),
		{
			File:    "syscall/syscall_unix.go",
			Match:   `(?m)^func recvfromInet([46])\(fd int, p \[\]byte, flags int, from \*SockaddrInet[46]\) \(n int, err error\) \{\n`,
			Replace: "${0}\tif ringoTyped != nil {\n\t\treturn ringoReceiveInet$1(fd, p, flags, from)\n\t}\n",
			Count:   2,
			Why:     typedWhy,
		}, {
			File:    "syscall/zsyscall_linux_amd64.go",
			Match:   typedFunc("Seek(fd int, offset int64, whence int) (off int64, err error)"),
			Replace: "${0}\tif ringoTyped != nil {\n\t\toff, e := ringoTyped.Seek(fd, offset, whence)\n\t\treturn off, ringoError(e)\n\t}\n",
			Count:   1,
			Why:     typedWhy,
		}, {
			File:    "syscall/zsyscall_linux_amd64.go",
			Match:   typedFunc("sendto(s int, buf []byte, flags int, to unsafe.Pointer, addrlen _Socklen) (err error)"),
			Replace: "${0}\tif ringoTyped != nil {\n\t\t_, e := ringoTyped.Sendto(s, buf, flags, to, uint32(addrlen))\n\t\treturn ringoError(e)\n\t}\n",
			Count:   1,
			Why:     typedWhy,
		},
	}
}

const typedWhy = "make frequent system calls plain calls of the kernel"

// typed returns the rule that makes a wrapper return call if there is a kernel.
func typed(signature, call string) Rule {
	return Rule{
		File:    "syscall/zsyscall_linux_amd64.go",
		Match:   typedFunc(signature),
		Replace: "${0}\tif ringoTyped != nil {\n\t\treturn " + call + "\n\t}\n",
		Count:   1,
		Why:     typedWhy,
	}
}

// typedFunc matches the first line of a function.
func typedFunc(signature string) string {
	return `(?m)^func ` + regexp.QuoteMeta(signature) + ` \{\n`
}
