// Command hello says where it runs.
package main

import (
	"fmt"
	"runtime"
)

func main() {
	fmt.Printf("hello from ringo: %s on %s/%s, %d CPU(s)\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
}
