package overlay

import "slices"

// netstackRules make gVisor's network stack faster, and mend it where its TCP stands
// still. There is a list for each layer; a file is changed by one of them, and by that for
// the start.
func netstackRules() []Rule {
	return slices.Concat(netstackBaseRules, netstackStackRules, netstackIPRules, netstackDatagramRules, netstackTCPRules, netstackStartRules)
}

// Reasons of rules in several layers.
const (
	locksWhy        = "lock without a call"
	keptRouteWhy    = "find the way to a peer once for many datagrams"
	chargeWhy       = "charge a packet's memory to its sender without allocating"
	headroomWhy     = "put a datagram's data behind room for its headers"
	headerLengthWhy = "ask for the length of a packet's header without looking for its bytes"
	noDeferWhy      = "give back a lock, or what else was taken, without a deferred call"
	rememberedWhy   = "find the addresses that each packet asks for without locks"
)
