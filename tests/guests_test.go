package tests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/vmm/net/gateway"
)

// process runs the program as an ordinary process.
var process = way{name: "process", args: []string{"--vmm", "process"}}

// expectation is what is special about a property; of the others the program
// itself says whether they hold.
type expectation struct {
	status int
	output []string // patterns that must match
	never  []string // patterns that must not
	vmOnly string   // why the property does not hold of a process, if so
}

// trace matches the trace of a goroutine that is in a function of main.go.
func trace(function string) string {
	return `(?s)goroutine \d+ .*\[.*main\.` + function + `\(.*/main\.go:\d+`
}

// lines matches what ends/output prints: n lines, each of them once.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %04d %s\n", i, strings.Repeat("x", 60))
	}
	return b.String()
}

const nilError = `panic: runtime error: invalid memory address or nil pointer dereference\n\[signal SIGSEGV`

var expectations = map[string]expectation{
	"clock/local":      {vmOnly: "the zone of a process is the host's"},
	"ends/return":      {output: []string{`ok return`}},
	"ends/exit":        {status: 7, never: []string{`deferred`}},
	"ends/panic":       {status: 2, output: []string{`panic: as requested`, trace(`main\.func\d`)}},
	"ends/panicelse":   {status: 2, output: []string{`panic: .*in goroutine 2`, trace(`panicElsewhere\.func1`)}},
	"ends/nil":         {status: 2, output: []string{nilError, trace(`dereferenceNil`)}},
	"ends/deadlock":    {status: 2, output: []string{`fatal error: all goroutines are asleep - deadlock!`, `goroutine 1 .*select \(no cases\)`}},
	"ends/goexit":      {status: 2, output: []string{`fatal error: no goroutines \(main called runtime.Goexit\) - deadlock!`}},
	"ends/overflow":    {status: 2, output: []string{`fatal error: stack overflow`, trace(`recurse`)}},
	"ends/recursion":   {status: 2, output: []string{`stack exceeds \d+-byte limit`, `fatal error: stack overflow`, trace(`recurse`)}, vmOnly: "a process may have a stack of 1 GB"},
	"ends/terabyte":    {status: 2, output: []string{`fatal error: runtime: out of memory`, trace(`main\.func\d`)}, vmOnly: "a process has all of the host's memory"},
	"ends/throw":       {status: 2, output: []string{`fatal error: sync: unlock of unlocked mutex`, `sync\.\(\*Mutex\)`}},
	"ends/breakpoint":  {status: 2, output: []string{`SIGTRAP: trace trap`, `runtime\.breakpoint`}},
	"ends/abort":       {status: 2, output: []string{`SIGABRT: abort`, trace(`killMyself`)}},
	"ends/terminate":   {status: 128 + 15},
	"ends/kill":        {status: 128 + 9},
	"ends/output":      {output: []string{`^` + lines(5000) + `$`}},
	"ends/memory":      {status: 128 + 9, output: []string{`(?m)^ringo: out of memory: all \d+M`}, vmOnly: "a process has all of the host's memory"},
	"memory/writeexe":  {vmOnly: "Linux allows it"},
	"network/deadlock": {status: 2, output: []string{`fatal error: all goroutines are asleep - deadlock!`, `goroutine 1 .*select \(no cases\)`}},
	"network/goexit":   {status: 2, output: []string{`fatal error: no goroutines \(main called runtime.Goexit\) - deadlock!`}},
	"syscalls/fork":    {output: []string{`(?m)^ringo: system call 56 \(clone\)`, `(?m)^ok fork$`}, vmOnly: "Linux has processes"},
	"syscalls/unknown": {
		output: []string{`system call 1999`},
		never:  []string{`(?s)\b1999\b.*\b1999\b`},
		vmOnly: "Linux does not name them",
	},
}

// settings returns the environment that the guest programs expect, as flags.
func settings(w way, h *hostServices) []string {
	host4, host6 := "127.0.0.1", "[::1]"
	started := time.Now()
	if w.qemu {
		started = started.Add(-time.Second) // the real-time clock counts whole seconds
	}
	env := []string{fmt.Sprintf("STARTED=%d", started.UnixNano())}
	if w.cpus > 0 {
		host4, host6 = gateway.Router4.String(), "["+gateway.Router6.String()+"]"
		if w.qemu {
			host4, host6 = "10.0.2.2", "[fec0::2]"
		}
		env = append(env, fmt.Sprintf("CPUS=%d", w.cpus), "CARDS=1")
	}
	env = append(env, "ECHO="+host4+":"+h.echo, "ECHO6="+host6+":"+h.echo6, "URL=http://"+host4+":"+h.http)
	var flags []string
	for _, e := range env {
		flags = append(flags, "-e", e)
	}
	return flags
}

// runProperty runs a guest program for one property and checks how it ends.
func runProperty(ctx context.Context, r *harness.Ringo, h *hostServices, w way, file, guest, property string) error {
	want, special := expectations[guest+"/"+property]
	if !special || want.output == nil && want.status == 0 {
		want.output = []string{`(?m)^ok ` + property + `$`}
	}
	patience := 60 * time.Second
	if w.qemu {
		patience = 3 * time.Minute // emulation is slow
	}
	args := append(append([]string{"--timeout", patience.String()}, w.args...), settings(w, h)...)
	ctx, cancel := context.WithTimeout(ctx, patience+15*time.Second)
	defer cancel()
	got, err := r.Run(ctx, append(args, file, "--", property)...)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, got.Output)
	}
	if got.Status != want.status {
		return fmt.Errorf("status %d, want %d\n%s", got.Status, want.status, got.Output)
	}
	output := strings.ReplaceAll(got.Output, "\r\n", "\n")
	for _, pattern := range want.output {
		if !regexp.MustCompile(pattern).MatchString(output) {
			return fmt.Errorf("no %.200q in the output:\n%s", pattern, got.Output)
		}
	}
	for _, pattern := range want.never {
		if regexp.MustCompile(pattern).MatchString(output) {
			return fmt.Errorf("%q in the output:\n%s", pattern, got.Output)
		}
	}
	return nil
}

// testGuests shows every property of the guest programs in some ways.
func testGuests(t *testing.T, r *harness.Ringo, guests []string, ways ...way) {
	h := startHostServices(t)
	for _, guest := range guests {
		t.Run(guest, func(t *testing.T) {
			file, err := r.Program("tests/guests/" + guest)
			if err != nil {
				t.Fatal(err)
			}
			properties, err := harness.Properties(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, property := range properties {
				for _, w := range ways {
					if w.cpus == 0 && expectations[guest+"/"+property].vmOnly != "" {
						continue
					}
					t.Run(property+"/"+w.name, func(t *testing.T) {
						if err := runProperty(t.Context(), r, h, w, file, guest, property); err != nil {
							t.Error(err)
						}
					})
				}
			}
		})
	}
}

// allGuests returns the names of the guest programs.
func allGuests(t *testing.T) []string {
	dirs, err := os.ReadDir("guests")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range dirs {
		if _, err := os.Stat(filepath.Join("guests", d.Name(), "main.go")); err == nil {
			names = append(names, d.Name())
		}
	}
	return names
}

func TestGuests(t *testing.T) {
	needKVM(t)
	testGuests(t, ringo, allGuests(t), oneCPU, twoCPUs, process)
}
