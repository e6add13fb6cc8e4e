// Command pipe prints how many nanoseconds a write of a byte to a pipe and its
// read by the same goroutine take.
package main

import (
	"fmt"
	"log"
	"os"
	"time"
)

func main() {
	r, w, err := os.Pipe()
	if err != nil {
		log.Fatal(err)
	}
	b := []byte{1}
	const rounds = 200_000
	start := time.Now()
	for range rounds {
		if _, err := w.Write(b); err != nil {
			log.Fatal(err)
		}
		if _, err := r.Read(b); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(time.Since(start).Nanoseconds() / rounds)
}
