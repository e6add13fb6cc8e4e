package syscalls

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/syscalls.md")

const documentFile = "../docs/syscalls.md"

// TestDocument checks that docs/syscalls.md says what the table says.
func TestDocument(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(documentFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not current: go generate ./syscalls", documentFile)
	}
}

// answered reports whether there is more to the call than ENOSYS.
func (c *call) answered() bool { return c.status != absent && c.status != probed }

func document() []byte {
	routes := map[route]string{byKernel: "kernel", byTyped: "typed", byRT: "rt"}
	statuses := map[status]string{full: "yes", partial: "partly", accepted: "no effect", refused: "refused"}
	var present, missing strings.Builder
	counts := map[bool]int{}
	for _, c := range calls {
		counts[c.answered()]++
		if !c.answered() {
			fmt.Fprintf(&missing, "`%s` ", c.name)
			continue
		}
		fmt.Fprintf(&present, "| %d | `%s` | %s | %s | %s |\n", c.num, c.name, routes[c.route], statuses[c.status], c.note)
	}
	return []byte(fmt.Sprintf(`# System calls

<!-- Made from syscalls/table.go by go generate ./syscalls. Do not edit. -->

A program in a guest sees the Linux system call interface for amd64. %d calls
are answered. The route says where: *rt* is the layer below the Go runtime;
*typed* calls reach the kernel from package syscall as plain Go calls (the same
calls made by number take the way of the others); *kernel* calls are handed to a
kernel goroutine. "No effect" means that the call succeeds because there is
nothing to do.

A call that is not supported returns ENOSYS, and the console names it once
(unless it is one that callers only probe for, such as clone3).

| number | name | route | supported | note |
|---:|---|---|---|---|
%s
## Not supported

%d calls return ENOSYS: %s
`, counts[true], present.String(), counts[false], strings.TrimSpace(missing.String())))
}

// TestTable checks what the compiler cannot: the order that find relies on, and
// that every line says either how it is answered or that it is not.
func TestTable(t *testing.T) {
	for i, c := range calls {
		if i > 0 && calls[i-1].num >= c.num {
			t.Errorf("%d (%s) is out of order", c.num, c.name)
		}
		if got := find(uintptr(c.num)); got != &calls[i] {
			t.Errorf("find(%d) = %v, want %s", c.num, got, c.name)
		}
		if has := c.handler != nil; has == (c.route == byRT || !c.answered()) {
			t.Errorf("%s: handler present: %v, route %v, status %v", c.name, has, c.route, c.status)
		}
		if len(c.args) > 6 {
			t.Errorf("%s has %d arguments", c.name, len(c.args))
		}
	}
	if c := find(maxCalls + 1); c != nil {
		t.Errorf("found %s", c.name)
	}
	if last := calls[len(calls)-1]; last.num >= maxCalls {
		t.Errorf("maxCalls is too small for %d", last.num)
	}
}
