package kernel

import (
	"syscall"
	"unsafe"
)

// Control messages of AF_UNIX (cmsg(3)): descriptors and credentials.
const (
	cmsgHeader    = 16 // struct cmsghdr: length (8 bytes), level, type
	scmRights     = syscall.SCM_RIGHTS
	scmCreds      = syscall.SCM_CREDENTIALS
	maxRights     = 253        // SCM_MAX_FD
	msgCtrunc     = 0x8        // MSG_CTRUNC
	msgCmsgCloexc = 0x40000000 // MSG_CMSG_CLOEXEC
)

func cmsgAlign(n int) int { return (n + 7) &^ 7 }

// takeRights returns the descriptions whose descriptors a message sends, each
// with a reference of its own.
func (k *Kernel) takeRights(control []byte) (rights []*Description, err Errno) {
	defer func() {
		if err != 0 {
			k.dropRights(rights)
			rights = nil
		}
	}()
	for len(control) >= cmsgHeader {
		size := get64(control)
		if size < cmsgHeader || size > uint64(len(control)) {
			return rights, syscall.EINVAL
		}
		level, typ := int(get32(control[8:])), int(get32(control[12:]))
		data := control[cmsgHeader:size]
		if level == syscall.SOL_SOCKET && typ == scmRights {
			if len(data)%4 != 0 || len(rights)+len(data)/4 > maxRights {
				return rights, syscall.EINVAL
			}
			for ; len(data) > 0; data = data[4:] {
				d, err := k.hold(int(int32(get32(data))))
				if err != 0 {
					return rights, err
				}
				rights = append(rights, d)
			}
		} else if level != syscall.SOL_SOCKET || typ != scmCreds {
			return rights, syscall.EINVAL
		}
		control = control[min(cmsgAlign(int(size)), len(control)):]
	}
	return rights, 0
}

// dropRights gives up descriptions that are not delivered.
func (k *Kernel) dropRights(rights []*Description) {
	for _, d := range rights {
		k.release(d)
	}
}

// putControl stores the control messages of a received message: descriptors are
// opened for those, as far as there is room.
func (k *Kernel) putControl(m *Message, rights []*Description, cred bool, flags int) {
	room := m.Control
	m.ControlLen = 0
	add := func(typ int, data []byte) {
		size := cmsgHeader + len(data)
		put64(room, uint64(size))
		put32(room[8:], syscall.SOL_SOCKET)
		put32(room[12:], uint32(typ))
		copy(room[cmsgHeader:], data)
		used := min(cmsgAlign(size), len(room))
		m.ControlLen += used
		room = room[used:]
	}
	if cred {
		c := k.credentials()
		b := unsafe.Slice((*byte)(unsafe.Pointer(&c)), unsafe.Sizeof(c))
		if len(room) < cmsgHeader+len(b) {
			m.Flags |= msgCtrunc
		} else {
			add(scmCreds, b)
		}
	}
	if len(rights) == 0 {
		return
	}
	var fds []byte
	for i, d := range rights {
		var b [4]byte
		fd, err := -1, Errno(syscall.EMFILE)
		if len(room) >= cmsgHeader+len(fds)+4 {
			fd, err = k.install(d, flags&msgCmsgCloexc != 0)
		}
		if err != 0 {
			m.Flags |= msgCtrunc
			k.dropRights(rights[i:])
			break
		}
		k.release(d) // the descriptor has its own reference now
		put32(b[:], uint32(fd))
		fds = append(fds, b[:]...)
	}
	if len(fds) > 0 {
		add(scmRights, fds)
	}
}
