// Package limits ends the process if it may open too few files.
//
// Packages that the ringo command imports open some when they are initialised, and
// panic if they cannot. So this is looked at before: Go initialises packages in the
// order of their import paths, as far as those that they import are ready, and this
// one imports only package syscall, which all those need that open files.
package limits

import "syscall"

// leastFiles is how many files ringo needs to start. A machine with disks,
// directories and forwarded ports needs more, and says what it could not open.
const leastFiles = 32

// status is the exit status for an error of ringo's own.
const status = 125

func init() {
	var limit syscall.Rlimit
	// Package os raises the limit to the hard one.
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Max >= leastFiles {
		return
	}
	syscall.Write(2, []byte("ringo: this process may open too few files; raise its limit (ulimit -Hn, or LimitNOFILE of systemd) to 1024\n"))
	syscall.Exit(status)
}
