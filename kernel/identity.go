package kernel

import (
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

// identity is who the process and the machine are. Ids can be set, as root may
// set them, but permissions are always those of root.
type identity struct {
	mu       sync.Mutex
	hostname string
	domain   string
	args     []string
	env      []string
	comm     string
	ids      IDs
}

// IDs are the user and group ids of the process.
type IDs struct {
	UID, EUID, SUID uint32
	GID, EGID, SGID uint32
	Groups          []uint32
}

func (id *identity) init() {
	id.hostname = "ringo"
	id.domain = "(none)"
	id.comm = "main"
}

// Hostname returns the host name.
func (k *Kernel) Hostname() string {
	k.ident.mu.Lock()
	defer k.ident.mu.Unlock()
	return k.ident.hostname
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

// SetProgram tells what the program was started with.
func (k *Kernel) SetProgram(args, env []string) {
	k.ident.mu.Lock()
	defer k.ident.mu.Unlock()
	k.ident.args, k.ident.env = args, env
	if len(args) > 0 {
		name := args[0]
		for i := len(name) - 1; i >= 0; i-- {
			if name[i] == '/' {
				name = name[i+1:]
				break
			}
		}
		k.ident.comm = name[:min(len(name), 15)]
	}
}

// Program returns the arguments and environment at the start, and the name of
// the process.
func (k *Kernel) Program() (args, env []string, comm string) {
	k.ident.mu.Lock()
	defer k.ident.mu.Unlock()
	return k.ident.args, k.ident.env, k.ident.comm
}

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
	name := args[0]
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			name = name[i+1:]
			break
		}
	}
	return "/" + name
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
