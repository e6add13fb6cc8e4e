package volume

import "sync"

// cachedNodes bounds the nodes that are kept in memory though they can be read
// again, 4 KiB each.
const cachedNodes = 1024

// nodeCache holds nodes that are as on the disk, by their address. When it is
// full, it drops one that was not used lately.
type nodeCache struct {
	mu    sync.Mutex
	nodes map[uint64]*node
	ring  []*node // all nodes, for the hand to go round
	hand  int
}

func (c *nodeCache) get(addr uint64) *node {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[addr]
	if n != nil {
		n.used = true
	}
	return n
}

// put adds a node, in the place of any other with its address.
func (c *nodeCache) put(n *node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nodes == nil {
		c.nodes = map[uint64]*node{}
	}
	addr := n.addr()
	old := c.nodes[addr]
	c.nodes[addr] = n
	if old != nil { // read twice at the same time: the ring's place stays
		for i := range c.ring {
			if c.ring[i] == old {
				c.ring[i] = n
				return
			}
		}
	}
	if len(c.ring) < cachedNodes {
		c.ring = append(c.ring, n)
		return
	}
	for {
		c.hand = (c.hand + 1) % len(c.ring)
		old := c.ring[c.hand]
		if old.used {
			old.used = false
			continue
		}
		if c.nodes[old.addr()] == old { // not dropped meanwhile
			delete(c.nodes, old.addr())
		}
		c.ring[c.hand] = n
		return
	}
}

// drop forgets the node at an address. Its place in the ring is used again later.
func (c *nodeCache) drop(addr uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.nodes[addr]; n != nil {
		n.used = false
		delete(c.nodes, addr)
	}
}
