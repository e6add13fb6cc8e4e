package userdata

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"ringo.dev/ringo/rt/line"
)

// mark is the first line of user data that is for us.
const mark = "#ringo"

// Text is what user data says.
type Text struct {
	From    string   // the source that has it
	Program string   // the program's name, or ""
	Args    []string // arguments behind the name; none: the image's own are used
	Env     []Variable
	Late    []string // names of settings which it is too late for
}

// Variable is a variable of the environment.
type Variable struct{ Name, Value string }

// parse reads user data. Some clouds, and some users, have it in base64.
func parse(data []byte) (*Text, error) {
	words, ok := cutMark(data)
	if !ok {
		decoded, err := base64.StdEncoding.AppendDecode(nil, data)
		if words, ok = cutMark(decoded); err != nil || !ok {
			return nil, fmt.Errorf("it does not begin with the line %s, and is left alone", mark)
		}
	}
	if bytes.IndexByte(words, 0) >= 0 {
		return nil, errors.New("it has a zero byte, which neither arguments nor variables can have")
	}
	t := new(Text)
	word := make([]byte, len(words))
	for {
		var n int
		if n, words = line.Next(words, word); n < 0 {
			return t, nil
		}
		if err := t.add(string(word[:n])); err != nil {
			return nil, err
		}
	}
}

// cutMark returns what follows the first line, if that is our mark.
func cutMark(data []byte) (words []byte, ok bool) {
	first, words, _ := bytes.Cut(data, []byte("\n"))
	return words, string(bytes.TrimRight(first, " \t\r")) == mark
}

// add takes a word: see package rt/line.
func (t *Text) add(word string) error {
	key, value, hasValue := strings.Cut(word, "=")
	name, isEnv := strings.CutPrefix(key, "ringo.env.")
	switch {
	case isEnv && (name == "" || !hasValue):
		return fmt.Errorf("%q: want ringo.env.NAME=VALUE", word)
	case isEnv:
		t.Env = append(t.Env, Variable{name, value})
	case key == "ringo.program" && hasValue:
		t.Program = value
	case strings.HasPrefix(key, "ringo."), key == "virtio_mmio.device":
		t.Late = append(t.Late, key)
	default:
		t.Args = append(t.Args, word)
	}
	return nil
}

// Arguments returns the program's arguments, which were args.
func (t *Text) Arguments(args []string) []string {
	name := t.Program
	if name == "" && len(args) > 0 {
		name = args[0]
	}
	if len(t.Args) > 0 {
		return append([]string{name}, t.Args...)
	}
	return append([]string{name}, args[min(1, len(args)):]...)
}
