package netstack

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/log"

	"ringo.dev/ringo/drivers/e1000"
	"ringo.dev/ringo/drivers/pci"
	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/drivers/xen"
	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/netstack/config"
	"ringo.dev/ringo/rt"
)

// Start brings the network up in a guest; elsewhere it does nothing. It is
// called once, before the program's main. Addresses that have to be asked for
// come later, in the background.
func Start() {
	if !rt.Bare() {
		return
	}
	c, err := config.Parse(rt.Config())
	if err != nil {
		rt.ConsoleWrite(fmt.Appendf(nil, "ringo: fatal: the setting ringo.%v\n", err))
		rt.Exit(startFailed)
	}
	if err := start(&c); err != nil {
		rt.ConsoleWrite(fmt.Appendf(nil, "ringo: network: %v\n", err))
	}
}

// startFailed is the machine's exit status for an error of ringo's own.
const startFailed = 125

func start(c *config.Config) error {
	log.SetTarget(stackLog{c.Verbose})
	n, err := New()
	if err != nil {
		return err
	}
	n.names.host, n.names.search, n.names.setHost = c.Hostname, c.Search, setHost
	for _, a := range c.DNS {
		n.names.fixed = append(n.names.fixed, address(a))
	}
	kernel.RegisterFamily(syscall.AF_INET, n.Inet(syscall.AF_INET))
	kernel.RegisterFamily(syscall.AF_INET6, n.Inet(syscall.AF_INET6))
	kernel.RegisterFamily(syscall.AF_NETLINK, n.Netlink)
	for i := range procFiles {
		f := &procFiles[i]
		kernel.RegisterProc(f.name, func() []byte { return f.generate(n) })
	}
	if c.None {
		n.gate.open() // nothing to wait for
		return nil
	}
	if err := n.addCards(c); err != nil {
		n.alone = err.Error()
		n.gate.open()
		return err
	}
	return nil
}

// addCards adds the machine's cards to the stack, and sets the first up.
func (n *Stack) addCards(c *config.Config) error {
	links, err := findCards()
	if err != nil {
		return err
	}
	for i, l := range links {
		nic, err := n.addCard("eth"+strconv.Itoa(i), l)
		if err != nil {
			return err
		}
		if i == 0 { // the configuration has only one card's addresses
			if err := n.configure(nic, l, c); err != nil {
				return err
			}
		}
	}
	if len(links) == 0 {
		n.gate.open()
		if rt.HasPorts() { // else what the machine has was asked for
			return errNoCard()
		}
	}
	return nil
}

// findCards starts the machine's network cards.
func findCards() ([]*link, error) {
	fronts, err := xen.Find()
	if err != nil {
		return nil, err
	}
	transports, err := virtio.Find(spec.DeviceNet)
	if err != nil {
		return nil, err
	}
	cards, err := e1000.Find()
	if err != nil {
		return nil, err
	}
	links := make([]*link, 0, len(fronts)+len(transports)+len(cards))
	for _, c := range fronts {
		links = append(links, newLink(c, c, c))
	}
	for _, t := range transports {
		c, err := virtio.OpenNet(t)
		if err != nil {
			return nil, err
		}
		links = append(links, newLink(c, c.Tx, c.Rx))
	}
	for _, c := range cards {
		links = append(links, newLink(c, c, c))
	}
	return links, nil
}

// errNoCard says why there is no network on a machine whose cards are found on its
// buses: it names those on the PCI bus, for none of which there is a driver.
func errNoCard() error {
	var ids []string
	for _, d := range pci.Devices() {
		if d.Class>>16 == pci.ClassNetwork {
			ids = append(ids, fmt.Sprintf("%04x:%04x", d.Vendor, d.ID))
		}
	}
	if len(ids) == 0 {
		return errors.New("the machine has no network card")
	}
	return fmt.Errorf("no driver for the card %s", strings.Join(ids, ", "))
}

// stackLog takes what the stack has to say about packets. A program's standard
// error is not the place for it.
type stackLog struct{ verbose bool }

// Emit implements log.Emitter.
func (l stackLog) Emit(_ int, _ log.Level, _ time.Time, format string, args ...any) {
	if l.verbose {
		rt.ConsoleWrite(append(fmt.Appendf([]byte("ringo: network: "), format, args...), '\n'))
	}
}

// setHost makes a name that DHCP gave the machine's own.
func setHost(name string) {
	kernel.SetHostname(name)
	hosts := fmt.Appendf(nil, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t%s\n", name)
	// Programs can do without, and may have made the file their own.
	_ = kernel.WriteFile("/etc/hosts", hosts, 0o644)
}
