package syscalls

import (
	"strings"

	"ringo.dev/ringo/kernel/dev"
	"ringo.dev/ringo/rt"
	"ringo.dev/ringo/rt/line"
)

// Settings are those of the boot configuration that are for this package. What nobody
// says is empty.
type Settings struct {
	Hostname      string
	Workdir       string
	Stdin, Stdout dev.Kind
	Mark          string // by which ringo run is asked for input at the machine's own console; "": somebody types
	Trace         bool
	UserData      bool    // there is some (package netstack/userdata)
	Mounts        []Mount // in any order
}

// Mount is the setting of a mount (mountAll).
type Mount struct{ Key, Value string }

// parseSettings reads lines of key=value, of which the last with a key counts. It says
// on the console which settings nobody reads: they may be misspelt. It ends the machine
// if the value of one is wrong.
func parseSettings(text string) (s Settings) {
	for text != "" {
		var setting string
		setting, text, _ = strings.Cut(text, "\n")
		key, value, _ := strings.Cut(setting, "=")
		if !line.Known(key) {
			rt.ConsoleWrite([]byte("ringo: there is no setting ringo." + key + "; going on without it\n"))
		} else if s.set(key, value) {
			if problem := line.Problem(key, value); problem != "" {
				rt.ConsoleWrite([]byte("ringo: fatal: the setting ringo." + key + "=" + value + ": " + problem + "\n"))
				rt.Exit(startFailed)
			}
		}
	}
	return s
}

// set notes a setting that line.Known reports. It is false for those of other packages.
func (s *Settings) set(key, value string) bool {
	switch key {
	case "hostname":
		s.Hostname = value
	case "workdir":
		s.Workdir = value
	case "stdin":
		s.Stdin = dev.Kind(value)
	case "stdout":
		s.Stdout = dev.Kind(value)
	case "console":
		s.Mark = value
	case "strace":
		s.Trace = value == "1"
	case "user-data":
		s.UserData = value != ""
	default:
		if !strings.HasPrefix(key, "mount.") {
			return false
		}
		if m := s.mount(key); m != nil {
			m.Value = value
		} else {
			s.Mounts = append(s.Mounts, Mount{key, value})
		}
	}
	return true
}

// mount returns the mount with a key, or nil.
func (s *Settings) mount(key string) *Mount {
	for i := range s.Mounts {
		if s.Mounts[i].Key == key {
			return &s.Mounts[i]
		}
	}
	return nil
}
