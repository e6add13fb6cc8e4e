//go:build race

package netstack

// raceEnabled says that the race detector slows everything down.
const raceEnabled = true
