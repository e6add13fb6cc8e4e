// Command userdata prints what it is told, as it sees it when its variables are
// made, in main, and in /proc. It has a network, by which it may be told.
package main

import (
	"fmt"
	_ "net"
	"os"
	"strings"
)

var early = fmt.Sprintf("%q A=%q", os.Args, os.Getenv("A"))

func main() {
	cmdline, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("early %s\n", early)
	fmt.Printf("main %q A=%q B=%q\n", os.Args, os.Getenv("A"), os.Getenv("B"))
	fmt.Printf("proc %q\n", strings.Split(strings.TrimSuffix(string(cmdline), "\x00"), "\x00"))
}
