// Package netstack is the network as the program sees it: gVisor's TCP/IP
// stack behind Linux's socket calls. A guest links it through package net, so
// neither it nor anything it imports may import net.
//
// The parts, from the wire to the program:
//
//   - link.go: frames between a network device and the stack, with
//     segmentation and checksum offloads both ways (checksum.go);
//   - stack.go: the stack, its interfaces and its settings;
//   - config.go, dhcp.go, client.go: addresses, routes and name servers, from
//     the boot configuration, from DHCP and from router advertisements;
//   - socket.go and the files named after its halves: sockets as package
//     kernel defines them, for AF_INET and AF_INET6;
//   - netlink.go, ioctl.go, procnet.go: what programs read about the network.
//
// Sockets never block: they answer EAGAIN and report readiness through a
// kernel.Queue. The stack calls back with its own locks held, so a callback
// only passes the event on and never calls into the stack.
package netstack
