package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tests/load"
	"ringo.dev/ringo/tools/machine"
)

// cell is one boot.
type cell struct {
	machine, way, card string
	cpus               int
	model              string
}

func (c cell) String() string {
	return fmt.Sprintf("%s/%s/%s/%d/%s", c.machine, c.way, c.card, c.cpus, c.model)
}

// What there is. The ways and the cards are those that ringo run knows.
var (
	machines = []string{"q35", "pc", "microvm"}
	models   = []string{"qemu64", "max"}
	counts   = []int{1, 2}

	// microvmWays are the ways to boot a machine without firmware that reads
	// disks, microvmCards the cards of one without PCI.
	microvmWays  = []string{"multiboot", "pvh"}
	microvmCards = []string{"virtio", "legacy"}
)

// possible reports whether a machine has a way to boot and a card.
func possible(machine, way, card string) bool {
	return machine != "microvm" || slices.Contains(microvmWays, way) && slices.Contains(microvmCards, card)
}

// cells returns all boots, in the order of the table.
func cells() (all []cell) {
	for _, m := range machines {
		for _, way := range machine.BootWays() {
			for _, card := range machine.Cards() {
				if !possible(m, way, card) {
					continue
				}
				for _, n := range counts {
					for _, model := range models {
						all = append(all, cell{m, way, card, n, model})
					}
				}
			}
		}
	}
	return all
}

// page is what examples/web answers.
const page = "hello from ringo\n"

// show boots the program, has it answer requests, and ends it.
func (c cell) show(ctx context.Context, r *harness.Ringo, image string, o *options) error {
	ctx, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	port, err := harness.FreePort()
	if err != nil {
		return err
	}
	g, err := r.Start(ctx, "--vmm", "qemu", "--machine", c.machine, "--boot", c.way, "--card", c.card,
		"--smp", strconv.Itoa(c.cpus), "--cpu", c.model, "-m", "128M", "-p", "127.0.0.1:"+port+":8080", image)
	if err != nil {
		return err
	}
	defer g.Stop()
	if err := g.Await(ctx, "serving on"); err != nil {
		return err
	}
	addr := net.JoinHostPort("127.0.0.1", port)
	// The program may serve before its card has an address.
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	first, err := client.Get("http://" + addr + "/")
	if err != nil {
		return fmt.Errorf("%w\n%s", err, g.Output())
	}
	first.Body.Close()
	result := load.Run(ctx, load.Plan{Clients: 4, Requests: o.requests}, func() load.Client {
		return &load.HTTP{Addr: addr, Path: "/", Want: page}
	})
	if result.Failed > 0 || len(result.Latencies) < o.requests {
		return fmt.Errorf("%v\n%s", &result, g.Output())
	}
	if answer, err := client.Get("http://" + addr + "/exit?code=0"); err == nil {
		answer.Body.Close() // it is not said whether the answer leaves before the end
	}
	end, err := g.Wait(ctx)
	if err != nil || end.Status != 0 {
		return fmt.Errorf("it ended with status %d, %v\n%s", end.Status, err, end.Output)
	}
	return nil
}
