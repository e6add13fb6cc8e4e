package netstack

import (
	"fmt"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/netstack/userdata"
	"ringo.dev/ringo/rt"
)

// UserData asks for the cloud's user data if the boot configuration wants that, and
// waits for it. It sets the environment and returns the program's arguments, which
// are args unless the user data has others. It is called once, after Start and before
// the program.
func UserData(args []string) []string {
	if !rt.Bare() {
		return args
	}
	c, err := userdata.ParseConfig(rt.Config())
	if err == nil && !c.Wanted() {
		return args
	}
	var t *userdata.Text
	if err == nil {
		t, err = c.Fetch()
	}
	if err != nil {
		reportUserData("%v; the program starts with what its image says", err)
		return args
	}
	for _, s := range t.Late {
		reportUserData("%s: %s comes too late there; give it when the image is made", t.From, s)
	}
	for _, v := range t.Env {
		if err := syscall.Setenv(v.Name, v.Value); err != nil {
			reportUserData("%s: variable %q: %v", t.From, v.Name, err)
		}
	}
	args = t.Arguments(args)
	kernel.SetProgram(args, syscall.Environ())
	reportUserData("%s: %d arguments, %d variables", t.From, len(t.Args), len(t.Env))
	return args
}

// reportUserData says something on the console.
func reportUserData(format string, args ...any) {
	rt.ConsoleWrite(append(fmt.Appendf([]byte("ringo: user data: "), format, args...), '\n'))
}
