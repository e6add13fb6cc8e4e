// Command signals says which signals come. With the argument "exit" it ends with status
// 5 at the first. Otherwise it stays.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM)
	fmt.Println("ready")
	for s := range c {
		fmt.Println("got", s)
		if len(os.Args) > 1 && os.Args[1] == "exit" {
			os.Exit(5)
		}
	}
}
