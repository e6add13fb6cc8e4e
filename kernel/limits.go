package kernel

import (
	"sync"
	"sync/atomic"
	"syscall"
)

// limits holds the resource limits. Only that of descriptors is enforced.
type limits struct {
	mu      sync.Mutex
	table   [rlimits]syscall.Rlimit
	noFiles atomic.Uint64 // that of RLIMIT_NOFILE, for files
}

// The resources of prlimit(2).
const (
	rlimitStack      = 3
	rlimitCore       = 4
	rlimitNProc      = 6
	rlimitNoFile     = 7
	rlimitMemlock    = 8
	rlimitSigPending = 11
	rlimitMsgQueue   = 12
	rlimitNice       = 13
	rlimitRTPrio     = 14
	rlimits          = 16

	rlimInfinity = ^uint64(0)
)

func (l *limits) init() {
	for i := range l.table {
		l.table[i] = syscall.Rlimit{Cur: rlimInfinity, Max: rlimInfinity}
	}
	l.table[rlimitStack].Cur = 8 << 20
	l.table[rlimitCore] = syscall.Rlimit{}
	// Package syscall raises this one as far when it is initialized, but that is
	// before there is a kernel.
	l.table[rlimitNoFile] = syscall.Rlimit{Cur: maxFiles - 1, Max: maxFiles}
	l.noFiles.Store(maxFiles - 1)
	l.table[rlimitMsgQueue] = syscall.Rlimit{Cur: 819200, Max: 819200}
	l.table[rlimitNice] = syscall.Rlimit{}
	l.table[rlimitRTPrio] = syscall.Rlimit{}
}

// files returns the number below which descriptors must be.
func (l *limits) files() int {
	return int(l.noFiles.Load())
}

// Limit is prlimit(2): it sets a limit if new is not nil, and returns the old one.
func (k *Kernel) Limit(resource int, new *syscall.Rlimit) (old syscall.Rlimit, err Errno) {
	if resource < 0 || resource >= rlimits {
		return old, syscall.EINVAL
	}
	k.limits.mu.Lock()
	defer k.limits.mu.Unlock()
	old = k.limits.table[resource]
	if new != nil {
		if new.Cur > new.Max {
			return old, syscall.EINVAL
		}
		if resource == rlimitNoFile && new.Max > maxFiles {
			return old, syscall.EPERM
		}
		k.limits.table[resource] = *new
		if resource == rlimitNoFile {
			k.limits.noFiles.Store(new.Cur)
		}
	}
	return old, 0
}
