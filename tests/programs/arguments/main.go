// Command arguments prints what it is told at boot.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Printf("%q\n", os.Args[1:])
	for _, name := range []string{"A", "B"} {
		fmt.Printf("%s=%q\n", name, os.Getenv(name))
	}
}
