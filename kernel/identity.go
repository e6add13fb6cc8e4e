package kernel

import (
	"strings"
	"sync"
	"syscall"
)

// What uname(2) and /proc/version say beside the host name. The release is the
// one whose calls this kernel follows.
const (
	SystemName    = "Linux"
	SystemRelease = "5.15.0-ringo"
	SystemVersion = "#1 SMP Ringo"
	Machine       = "x86_64"
)

// maxHostname is the longest host or domain name (__NEW_UTS_LEN).
const maxHostname = 64

// identity is who the process and the machine are. Ids can be set, by the rules
// of credentials(7), but files do not care: permissions are always root's.
type identity struct {
	mu       sync.Mutex
	hostname string
	domain   string
	args     []string // nil before somebody asks
	env      []string
	ids      IDs
}

// IDs are the user and group ids of the process.
type IDs struct {
	User, Group IDSet
	Groups      []uint32
}

// Privileged reports whether the ids may be set to others at will.
func (ids *IDs) Privileged() bool { return ids.User.Effective == 0 }

// IDSet holds the ids of one kind.
type IDSet struct{ Real, Effective, Saved uint32 }

// KeepID stands for an id that is not to be changed.
const KeepID = ^uint32(0)

// has reports whether id is one of the three.
func (s IDSet) has(id uint32) bool { return id == s.Real || id == s.Effective || id == s.Saved }

// Set is setuid(2) and setgid(2).
func (s *IDSet) Set(id uint32, privileged bool) Errno {
	switch {
	case id == KeepID:
		return syscall.EINVAL
	case privileged:
		*s = IDSet{id, id, id}
	case id == s.Real || id == s.Saved:
		s.Effective = id
	default:
		return syscall.EPERM
	}
	return 0
}

// SetTwo is setreuid(2) and setregid(2).
func (s *IDSet) SetTwo(real, effective uint32, privileged bool) Errno {
	new := *s
	if real != KeepID {
		if !privileged && real != s.Real && real != s.Effective {
			return syscall.EPERM
		}
		new.Real = real
	}
	if effective != KeepID {
		if !privileged && !s.has(effective) {
			return syscall.EPERM
		}
		new.Effective = effective
	}
	if real != KeepID || effective != KeepID && effective != s.Real {
		new.Saved = new.Effective
	}
	*s = new
	return 0
}

// SetThree is setresuid(2) and setresgid(2).
func (s *IDSet) SetThree(real, effective, saved uint32, privileged bool) Errno {
	new := *s
	for _, id := range []struct {
		field *uint32
		value uint32
	}{{&new.Real, real}, {&new.Effective, effective}, {&new.Saved, saved}} {
		if id.value == KeepID {
			continue
		}
		if !privileged && !s.has(id.value) {
			return syscall.EPERM
		}
		*id.field = id.value
	}
	*s = new
	return 0
}

func (id *identity) init() {
	id.hostname = "ringo"
	id.domain = "(none)"
}

// Hostname returns the host name.
func (k *Kernel) Hostname() string {
	k.ident.mu.Lock()
	name := k.ident.hostname
	k.ident.mu.Unlock()
	return name
}

// SetHostname is sethostname(2).
func (k *Kernel) SetHostname(name string) Errno { return k.setName(&k.ident.hostname, name) }

// Domain returns the NIS domain name.
func (k *Kernel) Domain() string {
	k.ident.mu.Lock()
	defer k.ident.mu.Unlock()
	return k.ident.domain
}

// SetDomain is setdomainname(2).
func (k *Kernel) SetDomain(name string) Errno { return k.setName(&k.ident.domain, name) }

func (k *Kernel) setName(which *string, name string) Errno {
	if len(name) > maxHostname {
		return syscall.EINVAL
	}
	k.ident.mu.Lock()
	defer k.ident.mu.Unlock()
	*which = name
	return 0
}

// SetProgram tells what the program was started with, if that is something else than
// the runtime says.
func (k *Kernel) SetProgram(args, env []string) {
	k.ident.mu.Lock()
	k.ident.args, k.ident.env = args, env
	k.ident.mu.Unlock()
}

// Program returns the arguments and environment at the start, and the name of
// the process.
func (k *Kernel) Program() (args, env []string, comm string) {
	k.ident.mu.Lock()
	defer k.ident.mu.Unlock()
	if k.ident.args == nil {
		k.ident.args, k.ident.env = startArgs(), startEnv()
	}
	comm = "main"
	if len(k.ident.args) > 0 {
		comm = baseName(k.ident.args[0])
	}
	return k.ident.args, k.ident.env, comm[:min(len(comm), 15)]
}

// baseName returns what follows the last slash.
func baseName(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// Executable returns the path of the program's file. The file itself need not
// exist.
func (k *Kernel) Executable() string {
	args, _, _ := k.Program()
	switch {
	case len(args) == 0 || args[0] == "":
		return "/app"
	case args[0][0] == '/':
		return args[0]
	}
	return "/" + baseName(args[0])
}

// IDs returns the process's ids.
func (k *Kernel) IDs() IDs {
	k.ident.mu.Lock()
	defer k.ident.mu.Unlock()
	return k.ident.ids
}

// ChangeIDs lets change edit the process's ids.
func (k *Kernel) ChangeIDs(change func(*IDs) Errno) Errno {
	k.ident.mu.Lock()
	defer k.ident.mu.Unlock()
	return change(&k.ident.ids)
}
