// Package line takes apart the command line that a hypervisor or a boot loader
// gives the machine. It is a list of words, with blanks, tabs or ends of lines
// between them. Double quotes keep these within a word, a backslash takes away the
// next character's meaning. The words are
//
//	ringo.env.NAME=VALUE         an environment variable
//	ringo.seed=HEX               up to 64 bytes of entropy
//	ringo.program=NAME           the program's own name
//	ringo.KEY=VALUE              a line of the boot configuration
//	virtio_mmio.device=SIZE@ADDR:IRQ   a virtio device (Linux's syntax)
//
// and the program's arguments. Of several values for a variable or a setting the
// last one counts.
//
// Package runtime's additions use it before there is a heap, so nothing here
// allocates.
package line

// Line is what the command line says.
type Line struct {
	Seed [64]byte

	text     [8192]byte // arguments and environment, each with a zero at its end
	ntext    int
	args     [128]uint16 // offsets in text
	nargs    int
	env      [128]uint16
	nenv     int
	config   [8192]byte
	nconfig  int
	devices  [16]Device
	ndevices int
	replace  bool // the next argument takes the place of all but the first
}

// Device is a virtio-mmio device.
type Device struct {
	Addr, Size uint64
	Line       uint32
}

// Text returns the arguments and the environment, each with a zero at its end.
func (l *Line) Text() []byte { return l.text[:l.ntext] }

// Args returns where in Text the arguments begin. The first is the program's name.
func (l *Line) Args() []uint16 { return l.args[:l.nargs] }

// Env returns where in Text the variables of the environment begin.
func (l *Line) Env() []uint16 { return l.env[:l.nenv] }

// Config returns the boot configuration: lines of key=value.
func (l *Line) Config() []byte { return l.config[:l.nconfig] }

// Devices returns the devices.
func (l *Line) Devices() []Device { return l.devices[:l.ndevices] }

// What parsing returns if a line cannot be used.
const (
	longWord      = "a word of the command line is longer than 4096 bytes"
	manyArguments = "the command line has too many arguments"
	manyVariables = "the command line has too many variables"
	longTexts     = "the arguments and the environment are too long"
	longConfig    = "the command line has too many settings"
	noHex         = "ringo.seed on the command line is no hexadecimal number"
	noDevice      = "virtio_mmio.device on the command line is not SIZE@ADDR:IRQ"
	manyDevices   = "the command line has too many devices"
)

// Read takes the loader's line. named says that it begins with the image's file
// name, which is the program's then. It returns what is wrong, or "".
func (l *Line) Read(text []byte, named bool) (problem string) {
	if !named {
		l.addArgument([]byte("ringo"))
	}
	if problem = l.words(text); problem == "" && l.nargs == 0 {
		problem = l.addArgument([]byte("ringo"))
	}
	return problem
}

// ReadSecond takes a line that was told when the machine started, where the
// loader's was part of an image. Its arguments, if there are any, take the place
// of those before.
func (l *Line) ReadSecond(text []byte) (problem string) {
	l.replace = true
	return l.words(text)
}

func (l *Line) words(text []byte) (problem string) {
	var word [4096]byte
	for problem == "" {
		n, rest := Next(text, word[:])
		switch {
		case n < 0:
			return ""
		case n > len(word):
			return longWord
		}
		text = rest
		problem = l.take(word[:n])
	}
	return problem
}

// Next takes the next word off text. It returns -1 if there is none, and more
// than the length of word if it does not fit.
func Next(text, word []byte) (n int, rest []byte) {
	i := 0
	for i < len(text) && blank(text[i]) {
		i++
	}
	if i == len(text) {
		return -1, nil
	}
	quoted := false
	for ; i < len(text) && (quoted || !blank(text[i])); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
			continue
		case c == '\\' && i+1 < len(text):
			i++
		}
		if n == len(word) {
			return n + 1, nil
		}
		word[n] = text[i]
		n++
	}
	return n, text[i:]
}

// blank reports whether c separates words.
func blank(c byte) bool {
	const blanks = 1<<' ' | 1<<'\n' | 1<<'\t' | 1<<'\r'
	return c <= ' ' && blanks>>c&1 != 0
}

// prefixes are what the words begin with that are no arguments, by their kind. The
// more special ones come first.
var prefixes = [...]string{
	variable: "ringo.env.",
	program:  "ringo.program=",
	seed:     "ringo.seed=",
	setting:  "ringo.",
	device:   "virtio_mmio.device=",
}

// Kinds of words.
const (
	variable = iota
	program
	seed
	setting
	device
	argument
)

func (l *Line) take(w []byte) (problem string) {
	kind := 0
	for kind < argument {
		rest, ok := cutPrefix(w, prefixes[kind])
		if ok {
			w = rest
			break
		}
		kind++
	}
	switch kind {
	case variable:
		return l.addVariable(w)
	case program:
		l.nargs = max(l.nargs, 1)
		l.args[0], problem = l.addText(w)
		return problem
	case seed:
		return l.addSeed(w)
	case setting:
		return l.addConfig(w)
	case device:
		return l.addDevice(w)
	}
	return l.addArgument(w)
}

// addArgument adds an argument of the program. The first is the image's name,
// without its directory.
func (l *Line) addArgument(w []byte) (problem string) {
	if l.nargs == 0 {
		for i := len(w) - 1; i >= 0; i-- {
			if w[i] == '/' {
				w = w[i+1:]
				break
			}
		}
	}
	if l.replace {
		l.replace = false
		l.nargs = min(l.nargs, 1)
	}
	if l.nargs == len(l.args) {
		return manyArguments
	}
	l.args[l.nargs], problem = l.addText(w)
	l.nargs++
	return problem
}

// addVariable adds a variable NAME=VALUE to the environment, or changes it.
func (l *Line) addVariable(w []byte) (problem string) {
	name := 0
	for name < len(w) && w[name] != '=' {
		name++
	}
	i := 0
	for i < l.nenv && (name == len(w) || !sameStart(l.text[l.env[i]:l.ntext], w[:name+1])) {
		i++
	}
	if i == len(l.env) {
		return manyVariables
	}
	l.env[i], problem = l.addText(w)
	l.nenv = max(l.nenv, i+1)
	return problem
}

// addText adds w to the texts and returns its offset.
func (l *Line) addText(w []byte) (at uint16, problem string) {
	if l.ntext+len(w)+1 > len(l.text) {
		return 0, longTexts
	}
	at = uint16(l.ntext)
	l.ntext += copy(l.text[at:], w) + 1
	return at, ""
}

func (l *Line) addConfig(w []byte) (problem string) {
	if l.nconfig+len(w)+1 > len(l.config) {
		return longConfig
	}
	l.nconfig += copy(l.config[l.nconfig:], w)
	l.config[l.nconfig] = '\n'
	l.nconfig++
	return ""
}

func (l *Line) addSeed(w []byte) (problem string) {
	for i := range min(len(w)&^1, 2*len(l.Seed)) {
		d, ok := hexDigit(w[i])
		if !ok {
			return noHex
		}
		l.Seed[i/2] ^= byte(d << (4 * (1 - i&1)))
	}
	return ""
}

// addDevice reads SIZE@ADDR:IRQ.
func (l *Line) addDevice(w []byte) (problem string) {
	size, w, ok1 := number(w)
	w, at := cutPrefix(w, "@")
	addr, w, ok2 := number(w)
	w, colon := cutPrefix(w, ":")
	irq, _, ok3 := number(w)
	if !ok1 || !at || !ok2 || !colon || !ok3 {
		return noDevice
	}
	if l.ndevices == len(l.devices) {
		return manyDevices
	}
	l.devices[l.ndevices] = Device{addr, size, uint32(irq)}
	l.ndevices++
	return ""
}

// number reads a number as Linux does on its command line: hexadecimal after 0x,
// with K or M behind it for its size. It returns what follows.
func number(w []byte) (v uint64, rest []byte, ok bool) {
	base := uint64(10)
	if hex, is := cutPrefix(w, "0x"); is {
		base, w = 16, hex
	}
	for len(w) > 0 {
		d, digit := hexDigit(w[0])
		if !digit || d >= base {
			break
		}
		v = v*base + d
		w, ok = w[1:], true
	}
	if len(w) > 0 {
		switch w[0] {
		case 'K', 'k':
			return v << 10, w[1:], ok
		case 'M', 'm':
			return v << 20, w[1:], ok
		}
	}
	return v, w, ok
}

// hexDigit returns a digit's value. It is not inlined, to keep programs small.
//
//go:noinline
func hexDigit(c byte) (uint64, bool) {
	switch {
	case c >= '0' && c <= '9':
		return uint64(c - '0'), true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10, true
	}
	return 0, false
}

// sameStart reports whether text begins with prefix.
func sameStart(text, prefix []byte) bool {
	return len(text) >= len(prefix) && string(text[:len(prefix)]) == string(prefix)
}

// cutPrefix returns what follows the prefix, or all of w if it does not begin so.
func cutPrefix(w []byte, prefix string) (rest []byte, ok bool) {
	if len(w) < len(prefix) || string(w[:len(prefix)]) != prefix {
		return w, false
	}
	return w[len(prefix):], true
}
