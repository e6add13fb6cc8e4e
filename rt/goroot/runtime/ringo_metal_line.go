//go:build ringo

package runtime

import "unsafe"

// The command line is a list of words. Double quotes keep blanks within a word,
// a backslash takes away the next character's meaning. The words are
//
//	ringo.env.NAME=VALUE         an environment variable
//	ringo.seed=HEX               up to 64 bytes of entropy
//	ringo.KEY=VALUE              a line of the boot configuration
//	virtio_mmio.device=SIZE@ADDR:IRQ   a virtio device (Linux's syntax)
//
// and the program's arguments. The program's own name is "ringo", or what a
// loader puts in front of the line.

// ringoLine is the command line, taken apart.
var ringoLine struct {
	text    [4096 + 64]byte // arguments and environment, each with a zero at its end
	ntext   int
	args    [128]uint16 // offsets in text
	nargs   int
	env     [128]uint16
	nenv    int
	config  [4096]byte // the boot configuration: lines of key=value
	nconfig int
	seed    [64]byte
}

// ringoParseCommandLine fills ringoLine from the loader's line.
func ringoParseCommandLine() {
	line := ringoLoader.line[:ringoLoader.length]
	if !ringoLoader.named {
		ringoAddArgument("ringo")
	}
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
	const env, seed, own, mmio = "ringo.env.", "ringo.seed=", "ringo.", "virtio_mmio.device="
	switch {
	case ringoHasPrefix(w, env):
		ringoAddText(&ringoLine.env, &ringoLine.nenv, w[len(env):])
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
	if ringoLine.nargs == 0 {
		for i := len(w) - 1; i >= 0; i-- {
			if w[i] == '/' {
				w = w[i+1:]
				break
			}
		}
	}
	ringoAddText(&ringoLine.args, &ringoLine.nargs, w)
}

// ringoAddText adds w to the texts, and its offset to a list.
func ringoAddText(list *[128]uint16, n *int, w string) {
	l := &ringoLine
	if *n == len(list) || l.ntext+len(w)+1 > len(l.text) {
		ringoFatal("the command line has too many arguments or variables")
	}
	list[*n] = uint16(l.ntext)
	*n++
	l.ntext += copy(l.text[l.ntext:], w) + 1
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
