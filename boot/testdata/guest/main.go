// Command guest has what package boot looks for in a guest: the marker, and
// SYSCALL instructions.
package main

func marker() uintptr
func stray() uintptr
func site() uintptr
func immediate() uintptr

func main() {
	if marker() == 0 || stray() == 0 || site() == 0 || immediate() != 0x050f050f {
		panic("wrong result")
	}
	println("hello")
}
