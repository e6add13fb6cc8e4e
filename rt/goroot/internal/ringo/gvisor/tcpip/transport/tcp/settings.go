//go:build ringo

package tcp

import "gvisor.dev/gvisor/pkg/tcpip"

// What endpoints ask of their protocol's settings: a new connection does so a dozen times.
// By TransportProtocolOption, which is for all users of all protocols, each question takes
// a map, a lock and an allocation.

// configure gives a new endpoint its protocol's settings.
func (p *protocol) configure(e *Endpoint) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	e.ops.SetSendBufferSize(int64(p.sendBufferSize.Default), false /* notify */)
	e.ops.SetReceiveBufferSize(int64(p.recvBufferSize.Default), false /* notify */)
	if p.delayEnabled {
		e.ops.SetDelayOption(true)
	}
	e.cc = tcpip.CongestionControlOption(p.congestionControl)
	e.RcvAutoParams.Disabled = !p.moderateReceiveBuffer
	e.tcpLingerTimeout = p.lingerTimeout
	e.maxSynRetries = p.synRetries
}

// configureSender does so for the sender of a new connection.
func (p *protocol) configureSender(s *sender) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	s.minRTO, s.maxRTO, s.maxRetries = p.minRTO, p.maxRTO, p.maxRetries
}

// selectiveACK returns whether to offer selective acknowledgements and accept them, and
// what to use them for.
func (p *protocol) selectiveACK() (bool, tcpip.TCPRecovery) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.sackEnabled, p.recovery
}

// synCookies returns whether a listener is not to remember any SYN.
func (p *protocol) synCookies() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.alwaysUseSynCookies
}

// maxReceiveBuffer returns up to how many bytes a receive buffer may grow.
func (p *protocol) maxReceiveBuffer() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.recvBufferSize.Max
}
