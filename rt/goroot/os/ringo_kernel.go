//go:build ringo

package os

import (
	"ringo.dev/ringo/kernel/disks"
	_ "ringo.dev/ringo/syscalls/autostart"
)

// ringoDisks is called where files are opened: with it come the disks.
func ringoDisks() { disks.Use() }
