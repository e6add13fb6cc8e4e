//go:build !ringo

package kernel

import "os"

func startArgs() []string { return os.Args }
func startEnv() []string  { return os.Environ() }
