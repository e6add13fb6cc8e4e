//go:build ringo

package kernel

import _ "unsafe" // for go:linkname

// startArgs returns the arguments that the program was started with, as package os gets
// them.
//
//go:linkname startArgs os.runtime_args
func startArgs() []string

// startEnv returns the environment that the program was started with, as package
// syscall gets it.
//
//go:linkname startEnv syscall.runtime_envs
func startEnv() []string
