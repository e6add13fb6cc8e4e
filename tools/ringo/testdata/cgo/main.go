// Command cgo uses cgo.
package main

import "C"

func main() {}
