//go:build ringo

package runtime

import (
	"ringo.dev/ringo/rt/region"
	"unsafe"
)

// Error numbers of Linux that rt answers with.
const (
	ringoEPERM     = 1
	ringoENOENT    = 2
	ringoESRCH     = 3
	ringoEINTR     = 4
	ringoEBADF     = 9
	ringoEAGAIN    = 11
	ringoENOMEM    = 12
	ringoEACCES    = 13
	ringoEFAULT    = 14
	ringoEEXIST    = 17
	ringoENODEV    = 19
	ringoEINVAL    = 22
	ringoENOSYS    = 38
	ringoETIMEDOUT = 110
)

// Numbers of the system calls that rt answers (arch/x86/entry/syscalls), and of
// the calls of its own, above all of Linux's.
const (
	ringoSysRead          = 0
	ringoSysWrite         = 1
	ringoSysClose         = 3
	ringoSysMmap          = 9
	ringoSysMprotect      = 10
	ringoSysMunmap        = 11
	ringoSysBrk           = 12
	ringoSysSigaction     = 13
	ringoSysSigprocmask   = 14
	ringoSysSigreturn     = 15
	ringoSysYield         = 24
	ringoSysMincore       = 27
	ringoSysMadvise       = 28
	ringoSysNanosleep     = 35
	ringoSysSetitimer     = 38
	ringoSysGetpid        = 39
	ringoSysClone         = 56
	ringoSysExit          = 60
	ringoSysKill          = 62
	ringoSysFcntl         = 72
	ringoSysGettimeofday  = 96
	ringoSysSigaltstack   = 131
	ringoSysPrctl         = 157
	ringoSysArchPrctl     = 158
	ringoSysGettid        = 186
	ringoSysTkill         = 200
	ringoSysFutex         = 202
	ringoSysGetaffinity   = 204
	ringoSysTimerCreate   = 222
	ringoSysTimerSettime  = 223
	ringoSysTimerDelete   = 226
	ringoSysClockGettime  = 228
	ringoSysExitGroup     = 231
	ringoSysTgkill        = 234
	ringoSysOpenat        = 257
	ringoSysGetrandom     = 318
	ringoSysOwn           = 1 << 16
	ringoSysPollWait      = ringoSysOwn + 0
	ringoSysPollBreak     = ringoSysOwn + 1
	ringoSysMapped        = ringoSysOwn + 2
	ringoSysKernelMemory  = ringoSysOwn + 3
	ringoSysAddEntropy    = ringoSysOwn + 4
	ringoSysThreadsAndCPU = ringoSysOwn + 5
	ringoSysRegion        = ringoSysOwn + 6
	ringoSysMapFile       = ringoSysOwn + 7
	ringoSysAlias         = ringoSysOwn + 8
	ringoSysMapDevice     = ringoSysOwn + 9
	ringoSysRestart       = ringoSysOwn + 10
	ringoSysPollTell      = ringoSysOwn + 11
)

// ringoIsOwn reports whether rt answers system call num; all others are the
// kernel's. What maps a file (no MAP_ANONYMOUS), or changes mappings where there
// may be files, is the kernel's too.
//
//go:nosplit
func ringoIsOwn(num, a1, a2, a4 uintptr) bool {
	switch num {
	case ringoSysMmap:
		const fixed, anonymous = 0x10, 0x20
		return a4&anonymous != 0 && (a4&fixed == 0 || !ringoHasFiles(a1, a2))
	case ringoSysMprotect, ringoSysMunmap, ringoSysMadvise:
		return !ringoHasFiles(a1, a2)
	case ringoSysBrk, ringoSysSigaction, ringoSysSigprocmask,
		ringoSysSigreturn, ringoSysYield, ringoSysMincore, ringoSysSetitimer,
		ringoSysGetpid, ringoSysClone, ringoSysExit, ringoSysKill, ringoSysGettimeofday, ringoSysSigaltstack,
		ringoSysPrctl, ringoSysArchPrctl, ringoSysGettid, ringoSysTkill, ringoSysFutex, ringoSysGetaffinity,
		ringoSysTimerCreate, ringoSysTimerSettime, ringoSysTimerDelete, ringoSysClockGettime, ringoSysExitGroup,
		ringoSysTgkill, ringoSysGetrandom:
		return true
	}
	return num >= ringoSysOwn
}

// ringoSyscallEnter answers a system call in kernel mode. It reports whether the
// frame must be restored whole, since a signal handler is to run.
//
//go:nowritebarrierrec
func ringoSyscallEnter(f *ringoFrame) bool {
	t := ringoMe().thread
	f.rflags = ringoUserFlags
	if f.rax == ringoSysSigreturn {
		ringoSigreturn(t, f)
		ringoDeliver(t, f)
		return true
	}
	f.rax = uintptr(ringoAnswer(t, f, f.rax, f.rdi, f.rsi, f.rdx, f.r10, f.r8))
	return ringoDeliver(t, f)
}

// ringoAnswer is the table of Linux's system calls that rt answers. The pointers come
// from the runtime, or from a program that could as well write anywhere by itself.
func ringoAnswer(t *ringoThread, f *ringoFrame, num, a1, a2, a3, a4, a5 uintptr) int64 {
	if num >= ringoSysOwn {
		return ringoAnswerOwn(t, num, a1, a2, a3, a4)
	}
	switch num {
	case ringoSysWrite:
		if a1 != 1 && a1 != 2 {
			return -ringoEBADF
		}
		if !ringoMappedRange(a2, a3, false) {
			return -ringoEFAULT
		}
		ringoConsoleWrite1(unsafe.Pointer(a2), a3)
		return int64(a3)
	case ringoSysMmap:
		return ringoMmap(a1, a2, int(a3), a4)
	case ringoSysMprotect:
		return ringoMprotect(a1, a2, int(a3))
	case ringoSysMunmap:
		return ringoMunmap(a1, a2)
	case ringoSysMadvise:
		return ringoMadvise(a1, a2, a3)
	case ringoSysSigaction:
		return ringoSigaction(int32(a1), (*sigactiont)(unsafe.Pointer(a2)), (*sigactiont)(unsafe.Pointer(a3)))
	case ringoSysSigprocmask:
		return ringoSigprocmask(t, a1, (*uint64)(unsafe.Pointer(a2)), (*uint64)(unsafe.Pointer(a3)))
	case ringoSysSigaltstack:
		return ringoSigaltstack(t, (*stackt)(unsafe.Pointer(a1)), (*stackt)(unsafe.Pointer(a2)))
	case ringoSysYield:
		ringoYield(t)
		return 0
	case ringoSysNanosleep:
		return ringoNanosleep(t, (*timespec)(unsafe.Pointer(a1)), (*timespec)(unsafe.Pointer(a2)))
	case ringoSysSetitimer:
		return ringoSetitimer(a1, (*itimerval)(unsafe.Pointer(a2)), (*itimerval)(unsafe.Pointer(a3)))
	case ringoSysGetpid:
		return 1
	case ringoSysGettid:
		return int64(t.tid)
	case ringoSysClone:
		return ringoClone(f, a1, a2, a5)
	case ringoSysExit:
		ringoThreadExit(nil)
	case ringoSysExitGroup:
		ringoPlatExit(a1)
	case ringoSysKill:
		if pid := int32(a1); pid != 1 && pid != 0 && pid != -1 {
			return -ringoESRCH
		}
		return ringoKill(0, int32(a2))
	case ringoSysTkill:
		return ringoKill(int32(a1), int32(a2))
	case ringoSysTgkill:
		return ringoKill(int32(a2), int32(a3))
	case ringoSysGettimeofday:
		tv := (*timeval)(unsafe.Pointer(a1))
		ns := ringoNanotime() + ringoTime.offset
		tv.tv_sec, tv.tv_usec = ns/1e9, ns%1e9/1e3
		return 0
	case ringoSysClockGettime:
		return ringoClock(t, a1, (*timespec)(unsafe.Pointer(a2)))
	case ringoSysArchPrctl:
		const setFS = 0x1002
		if a1 != setFS {
			return -ringoEINVAL
		}
		t.fs = a2
		ringoSetFS(a2)
		return 0
	case ringoSysFutex:
		return ringoFutex(t, (*uint32)(unsafe.Pointer(a1)), a2, a3, (*timespec)(unsafe.Pointer(a4)))
	case ringoSysGetaffinity:
		return ringoGetaffinity(a2, (*uint64)(unsafe.Pointer(a3)))
	case ringoSysTimerCreate:
		return ringoTimerCreate(t, a1, (*sigevent)(unsafe.Pointer(a2)), (*int32)(unsafe.Pointer(a3)))
	case ringoSysTimerSettime:
		return ringoTimerSettime(t, int32(a1), (*itimerspec)(unsafe.Pointer(a3)))
	case ringoSysTimerDelete:
		ringoSetProfile(t, 0)
		return 0
	case ringoSysGetrandom:
		if !ringoMappedRange(a1, a2, true) {
			return -ringoEFAULT
		}
		ringoRandomFill(unsafe.Pointer(a1), a2)
		return int64(a2)
	case ringoSysOpenat:
		return -ringoENOENT // the runtime's own look-ups of tunables, before the kernel
	case ringoSysFcntl: // the runtime's look at the standard descriptors
		if a1 <= 2 {
			return 0
		}
		return -ringoEBADF
	case ringoSysRead, ringoSysClose:
		return -ringoEBADF
	case ringoSysPrctl:
		return -ringoEINVAL
	}
	return -ringoENOSYS
}

// ringoAnswerOwn is the table of rt's own calls, which only packages of a guest make
// (package rt).
func ringoAnswerOwn(t *ringoThread, num, a1, a2, a3, a4 uintptr) int64 {
	switch num {
	case ringoSysPollWait:
		return ringoPollSleep(t, int64(a1))
	case ringoSysPollTell:
		ringoPollTell()
		return 0
	case ringoSysPollBreak:
		ringoPollEnd()
		return 0
	case ringoSysMapped:
		if ringoMappedRange(a1, a2, a3 != 0) {
			return 1
		}
		return 0
	case ringoSysKernelMemory:
		return int64(ringoPlatMemory(a1))
	case ringoSysAddEntropy:
		ringoRandomMix(unsafe.Slice((*byte)(unsafe.Pointer(a1)), a2))
		return 0
	case ringoSysThreadsAndCPU:
		return ringoThreadsAndCPU((*[2]int64)(unsafe.Pointer(a1)))
	case ringoSysMapFile:
		return ringoMapFileRange(a1, a2, a3)
	case ringoSysAlias:
		return ringoAliasPages(a1, (*uintptr)(unsafe.Pointer(a2)), a3, int(a4))
	case ringoSysMapDevice:
		return int64(ringoMetalMapDevice(a1, a2))
	case ringoSysRestart:
		ringoPlatRestart()
	case ringoSysRegion:
		return ringoRegionAfter(a1, (*region.Region)(unsafe.Pointer(a2)))
	}
	return -ringoENOSYS
}

// ringoGetaffinity answers sched_getaffinity(2): all CPUs of the machine.
func ringoGetaffinity(size uintptr, mask *uint64) int64 {
	if size < 8 {
		return -ringoEINVAL
	}
	*mask = 1<<(ringoSched.ncpu-1)<<1 - 1
	return 8
}

// ringoThreadsAndCPU returns the number of threads, and the CPUs' busy and idle time.
func ringoThreadsAndCPU(times *[2]int64) int64 {
	ringoSched.lock.lock()
	times[0], times[1] = ringoCPUTimes()
	n := ringoSched.count
	ringoSched.lock.unlock()
	return int64(n)
}
