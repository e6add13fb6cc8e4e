package syscalls

import (
	"strings"

	"ringo.dev/ringo/rt"
	"ringo.dev/ringo/rt/line"
)

// Settings are the boot configuration: a few, each with another key.
type Settings []Setting

// Setting is a line key=value.
type Setting struct{ Key, Value string }

// parseSettings splits lines of key=value, of which the last with a key counts. Without
// "=" the value is empty.
func parseSettings(text string) (list Settings) {
	for text != "" {
		var s string
		s, text, _ = strings.Cut(text, "\n")
		key, value, _ := strings.Cut(s, "=")
		if old := list.find(key); old != nil {
			old.Value = value
		} else {
			list = append(list, Setting{key, value})
		}
	}
	return list
}

// find returns the setting with a key, or nil.
func (list Settings) find(key string) *Setting {
	for i := range list {
		if list[i].Key == key {
			return &list[i]
		}
	}
	return nil
}

// value returns the value for a key, or "".
func (list Settings) value(key string) string {
	if s := list.find(key); s != nil {
		return s.Value
	}
	return ""
}

// check says which settings nobody reads: they may be misspelt. It ends the
// machine if the value of one is wrong.
func (list Settings) check() {
	for _, s := range list {
		if !line.Known(s.Key) {
			rt.ConsoleWrite([]byte("ringo: there is no setting ringo." + s.Key + "; going on without it\n"))
		} else if problem := line.Problem(s.Key, s.Value); problem != "" {
			rt.ConsoleWrite([]byte("ringo: fatal: the setting ringo." + s.Key + "=" + s.Value + ": " + problem + "\n"))
			rt.Exit(startFailed)
		}
	}
}
