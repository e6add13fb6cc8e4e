// Command signals waits for SIGTERM, says so, and with the argument "exit" ends
// with status 5. Otherwise it stays.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("ready")
	fmt.Println("got", <-c)
	if len(os.Args) > 1 && os.Args[1] == "exit" {
		os.Exit(5)
	}
	select {}
}
