package line

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ringo.dev/ringo/boot"
)

// texts returns the texts at offsets.
func texts(l *Line, at []uint16) []string {
	list := make([]string, len(at))
	for i, off := range at {
		text, _, _ := bytes.Cut(l.Text()[off:], []byte{0})
		list[i] = string(text)
	}
	return list
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		line, second string
		named        bool
		args         string
		env          string
		config       string
	}{
		{line: "", args: `["ringo"]`},
		{line: "", named: true, args: `["ringo"]`},
		{line: "  a  b ", args: `["ringo" "a" "b"]`},
		{line: "/dir/web.elf -http :80", named: true, args: `["web.elf" "-http" ":80"]`},
		{line: `"a b" c"d e"f \"g\\ "" \ `, args: `["ringo" "a b" "cd ef" "\"g\\" "" " "]`},
		{line: `"open`, args: `["ringo" "open"]`},
		{line: `end\`, args: `["ringo" "end\\"]`},
		{line: "x ringo.program=web y", args: `["web" "x" "y"]`},
		{line: "ringo.program=web x", named: true, args: `["web" "x"]`},
		{line: "ringo.env.A=1 ringo.env.AB=2 ringo.env.A=3 ringo.env.C", args: `["ringo"]`, env: `["A=3" "AB=2" "C"]`},
		{line: "ringo.net.ip=10.0.0.2/24 ringo.x", args: `["ringo"]`, config: "net.ip=10.0.0.2/24\nx\n"},
		{line: "a b", second: "c", args: `["ringo" "c"]`},
		{line: "a b", second: "ringo.env.A=1", args: `["ringo" "a" "b"]`, env: `["A=1"]`},
		{line: "ringo.env.A=1 web a", named: true, second: "ringo.env.A=2 c d", args: `["web" "c" "d"]`, env: `["A=2"]`},
	} {
		var l Line
		if problem := l.Read([]byte(c.line), c.named); problem != "" {
			t.Errorf("%s: %s", c.line, problem)
		}
		if problem := l.ReadSecond([]byte(c.second)); problem != "" {
			t.Errorf("%s: %s", c.second, problem)
		}
		args, env := fmt.Sprintf("%q", texts(&l, l.Args())), fmt.Sprintf("%q", texts(&l, l.Env()))
		if c.env == "" {
			c.env = "[]"
		}
		if args != c.args || env != c.env || string(l.Config()) != c.config {
			t.Errorf("%s, %s: arguments %s, environment %s, configuration %q", c.line, c.second, args, env, l.Config())
		}
	}
}

// TestJoined reads what package boot writes.
func TestJoined(t *testing.T) {
	words := []string{"", "a b", `"`, `\`, ` \"`, "ringo.env.A=b  c", `ringo.program=\`, "é"}
	text, err := boot.JoinLine(words)
	if err != nil {
		t.Fatal(err)
	}
	var l Line
	if problem := l.Read([]byte(text), false); problem != "" {
		t.Fatal(problem)
	}
	args, env := texts(&l, l.Args()), texts(&l, l.Env())
	if !slices.Equal(args, []string{`\`, "", "a b", `"`, `\`, ` \"`, "é"}) || !slices.Equal(env, []string{"A=b  c"}) {
		t.Errorf("arguments %q, environment %q", args, env)
	}
}

func TestSeed(t *testing.T) {
	var l Line
	l.Read([]byte("ringo.seed=01fF ringo.seed=80 ringo.seed=1"+strings.Repeat("00", 100)), false)
	if l.Seed != [64]byte{0: 0x01 ^ 0x80 ^ 0x10, 1: 0xff} {
		t.Errorf("%x", l.Seed)
	}
}

func TestDevices(t *testing.T) {
	var l Line
	text := "virtio_mmio.device=4K@0xd0001000:5 virtio_mmio.device=512@4026531840:6 virtio_mmio.device=0x1M@0x10K:1:7"
	if problem := l.Read([]byte(text), false); problem != "" {
		t.Fatal(problem)
	}
	want := []Device{{0xd0001000, 4096, 5}, {0xf0000000, 512, 6}, {0x4000, 1 << 20, 1}}
	if got := l.Devices(); !slices.Equal(got, want) {
		t.Errorf("%#x, want %#x", got, want)
	}
}

func TestProblems(t *testing.T) {
	for text, want := range map[string]string{
		"ringo.seed=0x":                                           noHex,
		"virtio_mmio.device=":                                     noDevice,
		"virtio_mmio.device=4K":                                   noDevice,
		"virtio_mmio.device=4K@":                                  noDevice,
		"virtio_mmio.device=4K@0x:1":                              noDevice,
		"virtio_mmio.device=4K@1000:":                             noDevice,
		"virtio_mmio.device=4Kx@1000:1":                           noDevice,
		strings.Repeat("virtio_mmio.device=1@1:1 ", 17):           manyDevices,
		strings.Repeat("a ", 128):                                 manyArguments,
		strings.Repeat(strings.Repeat("a", 100)+" ", 90):          longTexts,
		strings.Repeat("ringo.env.A=1 ringo.env.B ", 200):         manyVariables,
		strings.Repeat("ringo."+strings.Repeat("x", 4000)+" ", 3): longConfig,
		strings.Repeat("x", 4097):                                 longWord,
	} {
		var l Line
		if problem := l.Read([]byte(text), false); problem != want {
			t.Errorf("%.40s: %q, want %q", text, problem, want)
		}
	}
}

func TestNothingAllocated(t *testing.T) {
	text := []byte(`a "b c" ringo.env.A=1 ringo.env.A=2 ringo.env.B=2 ringo.seed=00 ringo.net.ip=1 virtio_mmio.device=4K@0xd0001000:5`)
	var l Line
	if n := testing.AllocsPerRun(10, func() {
		l = Line{}
		l.Read(text, false)
		l.ReadSecond(text)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`a "b c" ringo.env.A=1 ringo.env.A=2 ringo.seed=00 ringo.net.ip=1`), []byte("virtio_mmio.device=4K@0xd0001000:5"), true)
	f.Fuzz(func(t *testing.T, first, second []byte, named bool) {
		var l Line
		if l.Read(first, named) != "" || l.ReadSecond(second) != "" {
			return
		}
		if len(l.Args()) == 0 {
			t.Fatal("the program has no name")
		}
		for _, off := range slices.Concat(l.Args(), l.Env()) {
			if bytes.IndexByte(l.Text()[off:], 0) < 0 {
				t.Fatalf("the text at %d does not end", off)
			}
		}
	})
}
