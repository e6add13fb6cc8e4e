//go:build ringo

package net

import (
	"os"

	"ringo.dev/ringo/netstack"
	"ringo.dev/ringo/rt"
)

func init() {
	netstack.Start()
	os.Args = netstack.UserData(os.Args)
}

// ringoProbe finds out without trying what the guest's own network stack can do. It
// reports whether that is the one in use.
func (p *ipStackCapabilities) ringoProbe() bool {
	if !rt.Bare() {
		return false
	}
	p.ipv4Enabled, p.ipv6Enabled, p.ipv4MappedIPv6Enabled = true, true, true
	return true
}

// ringoBacklog returns the greatest length of a listener's queue, or 0 if another
// system's network is in use.
func ringoBacklog() int {
	if !rt.Bare() {
		return 0
	}
	return netstack.MaxBacklog
}

// ringoOnePath reports whether the network in use has no multipath TCP, as the guest's own.
func ringoOnePath() bool { return rt.Bare() }
