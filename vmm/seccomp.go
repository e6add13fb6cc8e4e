package vmm

import (
	"cmp"
	"math"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rule says what becomes of one system call: it is allowed if check is nil,
// else check's instructions return the verdict.
type rule struct {
	call  uint32
	check []unix.SockFilter
}

// rules returns the list: what the Go runtime, KVM, and package os need once
// everything is open, and the calls for what is within reach. Which files those may
// open Landlock says.
func rules(within Reach) []rule {
	self := uint32(unix.Getpid())
	openat := orErrno(unix.EACCES, masked(2, unix.O_ACCMODE|unix.O_CREAT|unix.O_TRUNC, unix.O_RDONLY))
	if len(within.Shares) > 0 {
		openat = nil
	}
	const most = 128 // rules
	list := append(make([]rule, 0, most), []rule{
		{unix.SYS_IOCTL, anyOf(masked(1, 0xff00, 0xae00), masked(1, ^uint32(0), unix.TUNSETOFFLOAD), masked(1, ^uint32(0), unix.TIOCGWINSZ))}, // KVM's, a tap's, and a terminal's
		{unix.SYS_TGKILL, anyOf(masked(0, ^uint32(0), self))},
		{unix.SYS_MMAP, anyOf(masked(2, unix.PROT_EXEC, 0))},
		{unix.SYS_MPROTECT, anyOf(masked(2, unix.PROT_EXEC, 0))},
		{unix.SYS_OPENAT, openat},
		{unix.SYS_CLONE, anyOf(masked(0, unix.CLONE_THREAD, unix.CLONE_THREAD))},
		{unix.SYS_CLONE3, orErrno(unix.ENOSYS)}, // its flags are out of a filter's sight; libc falls back to clone
		{unix.SYS_PRCTL, anyOf(masked(0, ^uint32(0), unix.PR_SET_TIMERSLACK), masked(0, ^uint32(0), unix.PR_SET_VMA))},
		{unix.SYS_KILL, anyOf(masked(0, ^uint32(0), self))},
	}...)
	if within.Network {
		list = append(list, rule{unix.SYS_SOCKET, anyOf(masked(0, ^uint32(0), unix.AF_INET), masked(0, ^uint32(0), unix.AF_INET6))})
	}
	always := [][]uint32{calls}
	if within.Network {
		always = append(always, networkCalls)
	}
	if len(within.Shares) > 0 {
		always = append(always, shareCalls)
	}
	for _, calls := range always {
		for _, n := range calls {
			list = append(list, rule{call: n})
		}
	}
	return list
}

// calls are allowed with any arguments.
var calls = []uint32{
	// files that are open
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_CLOSE,
	unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_PREADV2, unix.SYS_FDATASYNC, unix.SYS_FALLOCATE,
	unix.SYS_FSTAT, unix.SYS_NEWFSTATAT, unix.SYS_LSEEK, unix.SYS_FCNTL, unix.SYS_PIPE2, unix.SYS_SPLICE, unix.SYS_SENDFILE,
	// waiting
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,
	unix.SYS_POLL, unix.SYS_PPOLL, unix.SYS_FUTEX, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_RESTART_SYSCALL,
	// memory
	unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
	// threads, signals, time
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK,
	unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER,
	unix.SYS_CLOCK_GETTIME, unix.SYS_GETTIMEOFDAY, unix.SYS_GETRUSAGE,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_UNAME, unix.SYS_GETRANDOM,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}

// networkCalls are what package net needs beside socket.
var networkCalls = []uint32{
	unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT4, unix.SYS_SHUTDOWN,
	unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT,
	unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG, unix.SYS_RECVMSG, unix.SYS_SENDMMSG, unix.SYS_RECVMMSG,
}

// shareCalls are what package share needs beside openat.
var shareCalls = []uint32{
	unix.SYS_MKNODAT, unix.SYS_MKDIRAT, unix.SYS_SYMLINKAT, unix.SYS_READLINKAT, unix.SYS_LINKAT,
	unix.SYS_UNLINKAT, unix.SYS_RENAMEAT2, unix.SYS_FCHMODAT, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT,
	unix.SYS_FTRUNCATE, unix.SYS_FSYNC, unix.SYS_SYNCFS, unix.SYS_GETDENTS64, unix.SYS_FSTATFS,
}

// Offsets in struct seccomp_data.
const (
	dataCall = 0
	dataArch = 4
	dataArgs = 16
)

func load32(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// unlessEqual skips n instructions unless the accumulator is k.
func unlessEqual(k uint32, n uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: n, K: k}
}

func verdict(v uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: v}
}

// masked allows a call if the low 32 bits of argument arg, under mask, are want.
func masked(arg int, mask, want uint32) []unix.SockFilter {
	return []unix.SockFilter{
		load32(dataArgs + 8*uint32(arg)),
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: mask},
		unlessEqual(want, 1),
		verdict(unix.SECCOMP_RET_ALLOW),
	}
}

// anyOf kills the process unless one of the tests allows the call.
func anyOf(tests ...[]unix.SockFilter) (check []unix.SockFilter) {
	for _, t := range tests {
		check = append(check, t...)
	}
	return append(check, verdict(unix.SECCOMP_RET_KILL_PROCESS))
}

// orErrno makes the call fail unless one of the tests allows it.
func orErrno(errno unix.Errno, tests ...[]unix.SockFilter) []unix.SockFilter {
	check := anyOf(tests...)
	check[len(check)-1] = verdict(unix.SECCOMP_RET_ERRNO | uint32(errno))
	return check
}

// filter returns the program for the kernel that applies rules.
func filter(rules []rule) []unix.SockFilter {
	const usual = 400 // instructions
	return search(append(make([]unix.SockFilter, 0, usual),
		load32(dataArch),
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.AUDIT_ARCH_X86_64},
		verdict(unix.SECCOMP_RET_KILL_PROCESS), // another one's calls have other numbers
		load32(dataCall),
	), spans(rules))
}

// span is what becomes of the calls from a number on, up to the next span.
type span struct {
	from uint32
	code []unix.SockFilter
}

// spans brings the rules in the order of their numbers. Other calls kill the process.
func spans(rules []rule) []span {
	kill, allow := []unix.SockFilter{verdict(unix.SECCOMP_RET_KILL_PROCESS)}, []unix.SockFilter{verdict(unix.SECCOMP_RET_ALLOW)}
	slices.SortFunc(rules, func(a, b rule) int { return cmp.Compare(a.call, b.call) })
	list := append(make([]span, 0, 2*len(rules)+1), span{0, kill})
	for _, r := range rules {
		code := allow
		if r.check != nil {
			code = r.check
		}
		if last := &list[len(list)-1]; last.from == r.call {
			last.code = code
		} else {
			list = append(list, span{r.call, code})
		}
		list = append(list, span{r.call + 1, kill})
	}
	return slices.CompactFunc(list, func(a, b span) bool { return slices.Equal(a.code, b.code) })
}

// search appends the code that finds the span of the call in the accumulator, by
// halves. When a filter is made, the kernel runs it for each call that there is, to
// remember those that it always allows: with the rules one after the other that took
// 0.1 ms. Before, it translates it twice, which takes as long as all else here: so the
// code is short.
func search(program []unix.SockFilter, list []span) []unix.SockFilter {
	if len(list) == 1 {
		return append(program, list[0].code...)
	}
	half := len(list) / 2
	node := len(program)
	program = search(append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: list[half].from}), list[:half])
	low := len(program) - node - 1
	if low <= math.MaxUint8 {
		program[node].Jt = uint8(low)
	} else { // too far for that
		program[node].Jf = 1
		program = slices.Insert(program, node+1, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(low)})
	}
	return search(program, list[half:])
}

// restrictCalls puts all threads under the rules.
func restrictCalls(within Reach) error {
	program := filter(rules(within))
	prog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	// SPEC_ALLOW: the guest is held off by other means than slower loads.
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	// Raw, as for package kvm: this takes 0.1 ms.
	if _, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog))); e != 0 {
		return e
	}
	return nil
}
