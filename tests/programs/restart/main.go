// Command restart starts the machine anew that it is in. Without an argument it
// does nothing, since that may be a machine that others use.
package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	fmt.Println("started")
	if len(os.Args) < 2 || os.Args[1] != "yes" {
		return
	}
	fmt.Println(syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART))
}
