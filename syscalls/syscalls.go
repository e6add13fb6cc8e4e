// Package syscalls is the Linux system call table: what every number means, how
// it is answered, and how its raw arguments become calls of package kernel.
//
// table.go is the table, one line a call. dispatch.go finds the line of a call
// and runs its handler; trace.go prints calls (boot configuration strace=1).
// The handlers stand in files by subject: io.go, files.go, sockets.go,
// polling.go, process.go, times.go. They do nothing but convert: arguments come
// through the methods of task (args.go), which is where the program's memory is
// checked. typed.go holds the calls that package syscall makes directly, with
// real slices and strings. start.go puts a kernel together at boot.
//
// docs/syscalls.md is made from the table: go generate.
package syscalls

//go:generate go test -run TestDocument -update
