//go:build ringo

// Package autostart starts the kernel when it is initialised. Package os imports
// it in a guest, and so the kernel runs before any variable of package os is
// made: os.Stdin and the others ask the kernel about their descriptors.
package autostart

import "ringo.dev/ringo/syscalls"

func init() { syscalls.Start() }
