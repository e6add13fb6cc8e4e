//go:build ringo

package runtime

import "unsafe"

// The command line is a list of words. Double quotes keep blanks within a word,
// a backslash takes away the next character's meaning. The words are
//
//	ringo.env.NAME=VALUE         an environment variable
//	ringo.seed=HEX               up to 64 bytes of entropy
//	ringo.program=NAME           the program's own name
//	ringo.KEY=VALUE              a line of the boot configuration
//	virtio_mmio.device=SIZE@ADDR:IRQ   a virtio device (Linux's syntax)
//
// and the program's arguments. The program's own name is what a loader puts in
// front of the line, or "ringo".
//
// What is told when the machine starts (ringoFWLine) comes after that: its
// arguments, if there are any, take the place of those of the loader's line. Of
// several values for a variable or a setting the last one counts.

// ringoLine is the command line, taken apart.
var ringoLine struct {
	text    [8192]byte // arguments and environment, each with a zero at its end
	ntext   int
	args    [128]uint16 // offsets in text
	nargs   int
	env     [128]uint16
	nenv    int
	config  [8192]byte // the boot configuration: lines of key=value
	nconfig int
	seed    [64]byte
	second  bool // the line is the second: its first argument is the first one
}

// ringoParseCommandLine fills ringoLine.
func ringoParseCommandLine() {
	if !ringoLoader.named {
		ringoAddArgument("ringo")
	}
	ringoParseLine(ringoLoader.line[:ringoLoader.length])
	if !ringoXen.present {
		ringoLine.second = true
		ringoParseLine(ringoFWLine())
	}
}

func ringoParseLine(line []byte) {
	var word [4096]byte
	for {
		n, rest := ringoWord(line, &word)
		if n < 0 {
			return
		}
		line = rest
		w := word[:n]
		ringoTakeWord(*(*string)(unsafe.Pointer(&w)))
	}
}

// ringoWord takes the next word off line. It returns -1 if there is none.
func ringoWord(line []byte, word *[4096]byte) (int, []byte) {
	i := 0
	for i < len(line) && line[i] == ' ' {
		i++
	}
	if i == len(line) {
		return -1, nil
	}
	n, quoted := 0, false
	for ; i < len(line) && (quoted || line[i] != ' '); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
			continue
		case c == '\\' && i+1 < len(line):
			i++
		}
		word[n] = line[i]
		n++
	}
	return n, line[i:]
}

func ringoTakeWord(w string) {
	const env, seed, program, own, mmio = "ringo.env.", "ringo.seed=", "ringo.program=", "ringo.", "virtio_mmio.device="
	switch {
	case ringoHasPrefix(w, env):
		ringoAddVariable(w[len(env):])
	case ringoHasPrefix(w, program):
		ringoLine.args[0] = ringoAddText(w[len(program):])
	case ringoHasPrefix(w, seed):
		ringoReadSeed(w[len(seed):])
	case ringoHasPrefix(w, own):
		ringoAddConfig(w[len(own):])
	case ringoHasPrefix(w, mmio):
		ringoAddMMIO(w[len(mmio):])
	default:
		ringoAddArgument(w)
	}
}

// ringoAddArgument adds an argument of the program. The first is the image's
// name, without its directory.
func ringoAddArgument(w string) {
	l := &ringoLine
	if l.nargs == 0 {
		for i := len(w) - 1; i >= 0; i-- {
			if w[i] == '/' {
				w = w[i+1:]
				break
			}
		}
	}
	if l.second {
		l.second = false
		l.nargs = 1
	}
	if l.nargs == len(l.args) {
		ringoFatal("the command line has too many arguments")
	}
	l.args[l.nargs] = ringoAddText(w)
	l.nargs++
}

// ringoAddVariable adds a variable NAME=VALUE to the environment, or changes it.
func ringoAddVariable(w string) {
	l := &ringoLine
	name := 0
	for name < len(w) && w[name] != '=' {
		name++
	}
	i := 0
	for i < l.nenv {
		have := l.text[l.env[i]:l.ntext]
		if name < len(w) && ringoHasPrefix(*(*string)(unsafe.Pointer(&have)), w[:name+1]) {
			break
		}
		i++
	}
	if i == len(l.env) {
		ringoFatal("the command line has too many variables")
	}
	l.env[i] = ringoAddText(w)
	l.nenv = max(l.nenv, i+1)
}

// ringoAddText adds w to the texts and returns its offset.
func ringoAddText(w string) uint16 {
	l := &ringoLine
	if l.ntext+len(w)+1 > len(l.text) {
		ringoFatal("the arguments and the environment are too long")
	}
	at := l.ntext
	l.ntext += copy(l.text[at:], w) + 1
	return uint16(at)
}

func ringoAddConfig(w string) {
	l := &ringoLine
	if l.nconfig+len(w)+1 > len(l.config) {
		ringoFatal("the command line has too many settings")
	}
	l.nconfig += copy(l.config[l.nconfig:], w)
	l.config[l.nconfig] = '\n'
	l.nconfig++
}

func ringoReadSeed(w string) {
	for i := 0; i+1 < len(w) && i/2 < len(ringoLine.seed); i += 2 {
		hi, ok1 := ringoHexDigit(w[i])
		lo, ok2 := ringoHexDigit(w[i+1])
		if !ok1 || !ok2 {
			ringoFatal("ringo.seed on the command line is no hexadecimal number")
		}
		ringoLine.seed[i/2] ^= byte(hi<<4 | lo)
	}
}

// ringoAddMMIO reads SIZE@ADDR:IRQ.
func ringoAddMMIO(w string) {
	size, w, ok1 := ringoNumber(w)
	if !ok1 || w == "" || w[0] != '@' {
		ringoFatal("virtio_mmio.device on the command line is not SIZE@ADDR:IRQ")
	}
	addr, w, ok2 := ringoNumber(w[1:])
	if !ok2 || w == "" || w[0] != ':' {
		ringoFatal("virtio_mmio.device on the command line is not SIZE@ADDR:IRQ")
	}
	irq, _, ok3 := ringoNumber(w[1:])
	if !ok3 {
		ringoFatal("virtio_mmio.device on the command line is not SIZE@ADDR:IRQ")
	}
	ringoMetalMMIO(addr, size, uint32(irq), 0) // as ISA's: edges
}

// ringoNumber reads a number as Linux does on its command line: hexadecimal
// after 0x, with K or M behind it for its size. It returns what follows.
func ringoNumber(w string) (v uintptr, rest string, ok bool) {
	base := uintptr(10)
	if ringoHasPrefix(w, "0x") {
		base, w = 16, w[2:]
	}
	for w != "" {
		d, digit := ringoHexDigit(w[0])
		if !digit || d >= base {
			break
		}
		v = v*base + d
		w, ok = w[1:], true
	}
	switch {
	case ringoHasPrefix(w, "K"), ringoHasPrefix(w, "k"):
		return v << 10, w[1:], ok
	case ringoHasPrefix(w, "M"), ringoHasPrefix(w, "m"):
		return v << 20, w[1:], ok
	}
	return v, w, ok
}

func ringoHexDigit(c byte) (uintptr, bool) {
	switch {
	case c >= '0' && c <= '9':
		return uintptr(c - '0'), true
	case c >= 'a' && c <= 'f':
		return uintptr(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return uintptr(c-'A') + 10, true
	}
	return 0, false
}

func ringoHasPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && s[:len(prefix)] == prefix
}
