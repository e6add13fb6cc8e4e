//go:build !ringo

package syscalls

// install does nothing on the host: there package syscall is Linux's.
func (t *Typed) install() {}
