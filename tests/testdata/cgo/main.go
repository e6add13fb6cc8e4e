// Command cgo uses cgo, which ringo cannot boot.
package main

// int answer(void) { return 42; }
import "C"

func main() { println(C.answer()) }
