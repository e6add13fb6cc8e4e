//go:build ringo

package syscalls

import _ "unsafe" // for go:linkname

// programArgs returns the arguments of the program, as package os gets them.
//
//go:linkname programArgs os.runtime_args
func programArgs() []string
