package netstack

import (
	"syscall"

	"ringo.dev/ringo/kernel"
)

// Ioctl implements kernel.Socket.
func (s *socket) Ioctl(request, arg uintptr) (uintptr, kernel.Errno) {
	return 0, syscall.ENOTTY
}
