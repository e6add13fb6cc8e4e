//go:build !ringo

package syscalls

import "os"

func programArgs() []string { return os.Args }
