// Package netstack is the network as the program sees it: gVisor's TCP/IP
// stack behind Linux's socket calls. A guest links it through package net, so
// neither it nor anything it imports may import net.
//
// The parts, from the wire to the program:
//
//   - link.go, checksum.go: frames between a network card and the stack, with
//     segmentation and checksum offloads both ways. udptap.go: datagrams past
//     the stack, while there is no address.
//   - stack.go, interfaces.go: the stack, its interfaces and its settings.
//   - start.go, config.go: what happens at boot. dhcp.go, dhcp_client.go,
//     slaac.go: addresses and routes that have to be asked for. names.go: what
//     the resolver reads. gate.go holds back what needs an address until then.
//   - socket.go, transfer.go, vector.go, sockaddr.go, control.go, errno.go:
//     AF_INET and AF_INET6 sockets as package kernel defines them; options*.go
//     their options. closing.go bounds the connections that linger.
//   - userdata.go, package userdata: what a cloud tells the program.
//   - netlink.go, rtnetlink.go, ioctl.go, procnet.go, groups.go: what programs
//     read about the network.
//
// gVisor's stack is changed in guests by a few rules: see rules_netstack.go in
// package rt/overlay.
//
// Sockets never block: they answer EAGAIN and report readiness through a
// kernel.Queue. The stack calls back with its own locks held, so a callback
// only passes the event on and never calls into the stack.
package netstack
