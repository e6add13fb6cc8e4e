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
	old := unix.Umask(0o027)
	fmt.Println(unix.Getpid() == os.Getpid(), unix.Getuid() == os.Getuid(), old != 0o027, unix.Umask(old) == 0o027)
}
