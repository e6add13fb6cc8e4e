// Command hello prints its arguments and the variable GREETING, and exits with
// the status that the first argument names.
package main

import (
	"fmt"
	"os"
	"strconv"
)

func main() {
	fmt.Println(os.Getenv("GREETING"), os.Args[1:])
	if len(os.Args) > 1 {
		status, err := strconv.Atoi(os.Args[1])
		if err != nil {
			panic(err)
		}
		os.Exit(status)
	}
}
