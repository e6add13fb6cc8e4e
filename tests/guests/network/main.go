// Command network shows package net: within the machine, and, by the properties
// that say so, towards a host that the tests name in the environment.
package main

import (
	"fmt"
	"runtime"
	"time"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"interfaces":  interfaces,
		"tcp":         onBoth(echoTCP),
		"udp":         onBoth(echoUDP),
		"dualstack":   dualStack,
		"halfclose":   halfClose,
		"deadlines":   deadlines,
		"refused":     refused,
		"options":     options,
		"addrinuse":   addressInUse,
		"closed":      closedMeanwhile,
		"sequential":  sequential,
		"concurrent":  concurrent,
		"bulk":        bulk,
		"sendfile":    sendFile,
		"http":        serveHTTP,
		"udpshort":    truncated,
		"localhost":   localhost,
		"roots":       roots,
		"proc":        proc,
		"rawcalls":    rawCalls,
		"dial":        dial("ECHO"),
		"dial6":       dial("ECHO6"),
		"fetch":       fetch,
		"nosuchhost":  noSuchHost,
		"unreachable": unreachable,
		"deadlock":    func() error { select {} },
		"goexit":      func() error { runtime.Goexit(); return nil },
		"asleep":      asleep,
	})
}

// patience is how long anything may take.
const patience = 20 * time.Second

// onBoth shows a property on the loopback addresses of IPv4 and IPv6.
func onBoth(show func(addr string) error) func() error {
	return func() error {
		for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
			if err := show(addr); err != nil {
				return fmt.Errorf("%s: %w", addr, err)
			}
		}
		return nil
	}
}
