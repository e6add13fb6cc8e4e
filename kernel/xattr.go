package kernel

import "syscall"

// attributed returns the inode with extended attributes to which a path leads.
func (k *Kernel) attributed(dirfd int, path string, flags int) (origin, Attributed, Errno) {
	l, _, err := k.lookupFlags(dirfd, path, flags)
	if err != 0 {
		return l, nil, err
	}
	a, ok := l.Node.(Attributed)
	if !ok {
		return l, nil, syscall.EOPNOTSUPP
	}
	return l, a, 0
}

// Xattr is getxattr(2) and its kin; flags are AT_*.
func (k *Kernel) Xattr(dirfd int, path, name string, flags int) ([]byte, Errno) {
	_, a, err := k.attributed(dirfd, path, flags)
	if err != 0 {
		return nil, err
	}
	return a.Xattr(name)
}

// SetXattr is setxattr(2) and removexattr(2) and their kin: a nil value
// removes. how are the flags of setxattr(2), flags are AT_*.
func (k *Kernel) SetXattr(dirfd int, path, name string, value []byte, how, flags int) Errno {
	l, a, err := k.attributed(dirfd, path, flags)
	if err != 0 {
		return err
	}
	if err := l.writable(); err != 0 {
		return err
	}
	if err := a.SetXattr(name, value, how); err != 0 {
		return err
	}
	k.tell(l.dir, l.name, l.Node, syscall.IN_ATTRIB, true)
	return 0
}

// ListXattr is listxattr(2) and its kin.
func (k *Kernel) ListXattr(dirfd int, path string, flags int) ([]string, Errno) {
	_, a, err := k.attributed(dirfd, path, flags)
	if err != 0 {
		return nil, err
	}
	return a.ListXattr()
}
