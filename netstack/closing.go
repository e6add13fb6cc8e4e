package netstack

import (
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// closedConns counts the TCP connections that the program has closed but the
// stack still holds: the close handshake, then TIME-WAIT. The stack spends a
// whole endpoint on each, so a server that closes a thousand connections a
// second would fill the memory in TIME-WAIT's minute. Linux bounds them by
// tcp_max_tw_buckets and tcp_max_orphans; this is the same: beyond soft,
// connections skip TIME-WAIT; beyond hard, they are reset instead of closed.
type closedConns struct {
	ip         *stack.Stack
	soft, hard int

	mu    sync.Mutex
	n     int
	short bool // TIME-WAIT is being skipped
}

const (
	timeWait = 60 * time.Second
	// endpointSize is about what an idle endpoint and its timers take.
	endpointSize = 6 << 10
	// softShare and hardShare are the parts of the memory, one in so many, that
	// closed connections may take until the limits apply.
	softShare = 32
	hardShare = 4
)

func (c *closedConns) init(ip *stack.Stack, memory uint64) {
	c.ip = ip
	c.soft = min(max(int(memory/softShare/endpointSize), 64), 16384)
	c.hard = c.soft * softShare / hardShare
}

// closedConn is one of them. It stays registered with the endpoint's queue.
type closedConn struct {
	owner *closedConns
	ep    *tcp.Endpoint
	entry waiter.Entry
	gone  sync.Once
}

// close closes ep and counts it until the stack has dropped it.
func (c *closedConns) close(ep *tcp.Endpoint, wq *waiter.Queue) {
	conn := &closedConn{owner: c, ep: ep}
	conn.entry.Init(conn, waiter.EventHUp)
	wq.EventRegister(&conn.entry)
	if c.add(1) {
		ep.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: true})
	}
	ep.Close()
	conn.check()
}

// NotifyEvent is called at each step of closing.
func (c *closedConn) NotifyEvent(waiter.EventMask) { c.check() }

// check looks whether the endpoint is gone. State reads one word: it may be
// called with the endpoint's locks held.
func (c *closedConn) check() {
	switch tcp.EndpointState(c.ep.State()) {
	case tcp.StateClose, tcp.StateError:
		c.gone.Do(func() { c.owner.add(-1) })
	}
}

// add changes the count. It reports whether there are too many connections for
// another one to be closed in an orderly way.
func (c *closedConns) add(d int) (tooMany bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += d
	if short := c.n > c.soft; short != c.short {
		c.short = short
		wait := tcpip.TCPTimeWaitTimeoutOption(timeWait)
		if short {
			wait = 0
		}
		// The option exists and takes any value.
		_ = c.ip.SetTransportProtocolOption(tcp.ProtocolNumber, &wait)
	}
	return c.n > c.hard
}

// count returns the number of closed connections still held.
func (c *closedConns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
