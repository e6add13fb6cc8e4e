package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"ringo.dev/ringo/tests/harness"
)

// plan is what is to be done in the rig: a script for domain 0, which prints
// "ok NAME SHOWN" or "failed NAME SHOWN" for each of them.
type plan struct {
	script  strings.Builder
	files   []string // for the rig
	shown   []string
	servers []server
}

// Reasons of a domain's end, as xl has them.
const (
	poweroff = 0
	crash    = 3
)

// makePlan builds the programs and says what to do with them.
func makePlan(ringo *harness.Ringo, o *options) (*plan, error) {
	p := new(plan)
	if o.hvm {
		return p, p.hvm(ringo)
	}
	add := func(pkg string) (string, error) {
		file, err := ringo.Program(pkg)
		p.files = append(p.files, file)
		return file, err
	}
	hello, err := add("examples/hello")
	if err != nil {
		return nil, err
	}
	ends, err := add("tests/guests/ends")
	if err != nil {
		return nil, err
	}
	web, err := add("examples/web")
	if err != nil {
		return nil, err
	}
	p.program("hello/1", hello, "", 1, "1 CPU(s)", poweroff)
	p.program("hello/2", hello, "", 2, "2 CPU(s)", poweroff)
	p.program("ends/return", ends, "return", 1, "ok return", poweroff)
	p.program("ends/exit", ends, "exit", 1, "ringo: exit status 7", crash)
	p.program("ends/panic", ends, "panic", 2, "panic: as requested", crash)
	p.program("ends/output", ends, "output", 1, "line 4999", poweroff)
	if o.guests {
		for _, guest := range []string{"sched", "faults", "memory", "signals"} {
			file, err := add("tests/guests/" + guest)
			if err != nil {
				return nil, err
			}
			properties, err := harness.Properties(file)
			if err != nil {
				return nil, err
			}
			for _, property := range properties {
				for _, cpus := range []int{1, 2} {
					p.program(fmt.Sprintf("%s/%s/%d", guest, property, cpus), file, property, cpus, "ok "+property, poweroff)
				}
			}
		}
	}
	p.shutdown("web/shutdown", web)
	// The first server's address is static, the second one gets the first of
	// the DHCP server in QEMU.
	p.server("web/1", web, 1, "10.0.2.20", "ringo.net.ip=10.0.2.20/24 ringo.net.gateway=10.0.2.2", "serving on")
	p.server("web/2", web, 2, "10.0.2.15", "ringo.net.verbose=1", "network is up")
	p.script.WriteString(stay)
	return p, nil
}

// stay keeps the rig running, for requests to its servers.
const stay = "sleep 3600\n"

// hvm plans for an HVM domain that boots examples/web from a disk.
func (p *plan) hvm(ringo *harness.Ringo) error {
	web, err := ringo.Program("examples/web")
	if err != nil {
		return err
	}
	image := strings.TrimSuffix(web, ".elf") + ".img"
	const addr = "10.0.2.20"
	if out, err := ringo.Command(context.Background(), "image", "-f", "raw", "-o", image,
		"--set", "net.ip="+addr+"/24", "--set", "net.gateway=10.0.2.2", web).CombinedOutput(); err != nil {
		return fmt.Errorf("ringo image: %w\n%s", err, out)
	}
	p.files = []string{image}
	p.serve("web/hvm", addr, "serving on", p.domain("web/hvm",
		`type="hvm"`, `boot="c"`, "memory=128", fmt.Sprintf(`disk=["/g/%s,raw,xvda,w"]`, filepath.Base(image)),
		`serial="file:/var/log/xen/serial-web.hvm.log"`, "vnc=0", "sdl=0", `vif=["bridge=xenbr0,model=e1000"]`))
	p.script.WriteString(stay)
	return nil
}

// bridged is a domain's network card in the network of the rig.
const bridged = `vif=["bridge=xenbr0"]`

// domain creates a domain called by the name, with dots for slashes.
func (p *plan) domain(name string, config ...string) (domain string) {
	domain = strings.ReplaceAll(name, "/", ".")
	fmt.Fprintf(&p.script, "domain %s", domain)
	for _, l := range append(config, `tsc_mode="native"`) {
		fmt.Fprintf(&p.script, " '%s'", l)
	}
	p.script.WriteString("\n")
	return domain
}

// pvh creates a PVH domain that runs a program.
func (p *plan) pvh(name, file, line string, cpus int, more ...string) (domain string) {
	return p.domain(name, append(more, `type="pvh"`, fmt.Sprintf("kernel=%q", "/g/"+filepath.Base(file)),
		fmt.Sprintf("cmdline=%q", line), "memory=64", fmt.Sprintf("vcpus=%d", cpus))...)
}

// program runs a program to its end, with what it must print and why xl must say
// that the domain has ended.
func (p *plan) program(name, file, line string, cpus int, want string, reason int) {
	d := p.pvh(name, file, line, cpus)
	fmt.Fprintf(&p.script, `if await %[1]s '%[2]s' 240 && ended %[1]s 240 | tee /tmp/end && grep -q 'code %[3]d$' /tmp/end
then echo 'ok %[4]s SHOWN'; else console %[1]s; echo 'failed %[4]s SHOWN'; fi
`, d, want, reason, name)
	p.shown = append(p.shown, name)
}

// shutdown starts examples/web and has xl shut the domain down, which is SIGTERM to
// the program.
func (p *plan) shutdown(name, file string) {
	d := p.pvh(name, file, "ringo.net.ip=10.0.2.30/24", 1, bridged)
	fmt.Fprintf(&p.script, `if await %[1]s 'serving on' 240 && xl shutdown %[1]s && ended %[1]s 240 | tee /tmp/end && grep -q 'code %[2]d$' /tmp/end
then echo 'ok %[3]s SHOWN'; else console %[1]s; echo 'failed %[3]s SHOWN'; fi
`, d, poweroff, name)
	p.shown = append(p.shown, name)
}

// server starts examples/web, which is to print something when it can be reached.
func (p *plan) server(name, file string, cpus int, addr, line, want string) {
	p.serve(name, addr, want, p.pvh(name, file, line, cpus, bridged))
}

// serve awaits that a domain with a server can be reached, by what it prints.
// What it prints from then on is on the rig's console, too.
func (p *plan) serve(name, addr, want, domain string) {
	fmt.Fprintf(&p.script, `if await %[1]s '%[2]s' 900
then echo 'ok %[3]s/start SHOWN'; else console %[1]s; echo 'failed %[3]s/start SHOWN'; fi
for log in /var/log/xen/guest-%[1]s.log /var/log/xen/serial-%[1]s.log; do [ ! -e $log ] || tail -n 0 -f $log & done
`, domain, want, name)
	p.shown = append(p.shown, name+"/start")
	p.servers = append(p.servers, server{name: name, addr: addr})
}

// forward returns the rules by which ports of this machine lead to the servers.
func (p *plan) forward() string {
	var rules []string
	for _, s := range p.servers {
		rules = append(rules, fmt.Sprintf("tcp:127.0.0.1:%d-%s:8080", s.port, s.addr))
	}
	return strings.Join(rules, ",")
}
