// Command xsys makes the system calls for which golang.org/x/sys/unix has
// SYSCALL instructions of its own.
package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	unix.Sync()
	before := unix.Umask(0o027)
	after := unix.Umask(before)
	fmt.Println(unix.Getpid() == os.Getpid(), unix.Getuid() == os.Getuid(), before == after, after == 0o027)
}
