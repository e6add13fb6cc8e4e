//go:build !cgo

package main

// Without cgo there are no threads but Go's.
func startOthers() {}
func waitOthers()  {}
