package kernel

import (
	"strconv"
	"sync"
	"syscall"
)

// unixNames maps names to the sockets that are bound to them.
type unixNames struct {
	mu       sync.Mutex
	abstract map[string]*unixSocket
	nodes    map[Inode]*unixSocket
	last     uint64 // number of the last name that was made up
}

// maxUnixPath is the size of sun_path.
const maxUnixPath = 108

// unixAddr returns the sockaddr_un for a name.
func unixAddr(name string) []byte {
	addr := make([]byte, 2, 2+len(name)+1)
	addr[0] = syscall.AF_UNIX
	addr = append(addr, name...)
	if name != "" && name[0] != 0 {
		addr = append(addr, 0)
	}
	return addr
}

// parseUnixAddr returns the name in a sockaddr_un; an empty one asks bind for
// any.
func parseUnixAddr(addr []byte) (string, Errno) {
	if len(addr) < 2 || len(addr) > 2+maxUnixPath {
		return "", syscall.EINVAL
	}
	if get16(addr) != syscall.AF_UNIX {
		return "", syscall.EAFNOSUPPORT
	}
	name := addr[2:]
	if len(name) > 0 && name[0] != 0 {
		for i, c := range name {
			if c == 0 {
				name = name[:i]
				break
			}
		}
	}
	return string(name), 0
}

// Bind gives the socket a name.
func (s *unixSocket) Bind(addr []byte) Errno {
	name, err := parseUnixAddr(addr)
	if err != 0 {
		return err
	}
	k := s.kernel
	k.unix.mu.Lock()
	defer k.unix.mu.Unlock()
	s.mu.Lock()
	bound := s.bound
	s.mu.Unlock()
	if bound {
		return syscall.EINVAL
	}
	var node Inode
	switch {
	case name == "":
		for name == "" || k.unix.abstract[name] != nil {
			k.unix.last++
			name = "\x00" + strconv.FormatUint(1<<20+k.unix.last, 16)[1:]
		}
	case name[0] == 0:
		if k.unix.abstract[name] != nil {
			return syscall.EADDRINUSE
		}
	default:
		p, dir, err := k.missing(atFDCWD, name, false)
		if err == syscall.EEXIST {
			err = syscall.EADDRINUSE
		}
		if err == 0 {
			node, err = dir.Create(p.name, syscall.S_IFSOCK|k.masked(0o777), 0)
		}
		if err != 0 {
			return err
		}
	}
	if node != nil {
		if k.unix.nodes == nil {
			k.unix.nodes = map[Inode]*unixSocket{}
		}
		k.unix.nodes[node] = s
	} else {
		if k.unix.abstract == nil {
			k.unix.abstract = map[string]*unixSocket{}
		}
		k.unix.abstract[name] = s
	}
	s.mu.Lock()
	s.name, s.node, s.bound = name, node, true
	s.mu.Unlock()
	return 0
}

// forget frees the name of a socket that is closed. A path stays in its
// directory.
func (n *unixNames) forget(s *unixSocket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.node != nil && n.nodes[s.node] == s {
		delete(n.nodes, s.node)
	} else if n.abstract[s.name] == s {
		delete(n.abstract, s.name)
	}
}

// findUnix returns the socket that is bound to an address.
func (k *Kernel) findUnix(addr []byte) (*unixSocket, string, Errno) {
	name, err := parseUnixAddr(addr)
	if err != 0 {
		return nil, "", err
	}
	if name == "" {
		return nil, "", syscall.ECONNREFUSED
	}
	var s *unixSocket
	if name[0] == 0 {
		k.unix.mu.Lock()
		s = k.unix.abstract[name]
		k.unix.mu.Unlock()
	} else {
		at, err := k.lookup(atFDCWD, name, follow)
		if err != 0 {
			return nil, "", err
		}
		k.unix.mu.Lock()
		s = k.unix.nodes[at.Node]
		k.unix.mu.Unlock()
	}
	if s == nil {
		return nil, "", syscall.ECONNREFUSED
	}
	return s, name, 0
}

// UnixSocket describes a socket of AF_UNIX.
type UnixSocket struct {
	Type      int    // SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET
	Inode     uint64 // as fstat(2) says
	Name      string // a path, or NUL and an abstract name; empty: it has none
	Listening bool
	Connected bool
}

// EachUnixSocket calls f for every socket of AF_UNIX that the program has a
// descriptor of.
func (k *Kernel) EachUnixSocket(f func(UnixSocket)) {
	k.EachSocket(func(socket Socket) {
		if s, ok := socket.(*unixSocket); ok {
			s.mu.Lock()
			u := UnixSocket{s.typ, s.ino, s.name, s.listening, s.out != nil}
			s.mu.Unlock()
			f(u)
		}
	})
}
