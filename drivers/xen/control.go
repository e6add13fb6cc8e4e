package xen

import "syscall"

// controlNode is where xl writes what it wants of the domain
// (docs/misc/xenstore-paths.pandoc).
const controlNode = "control/shutdown"

// serveControl waits for what the machine's keeper wants, for ever: xl shutdown
// ends the program as SIGTERM does. Without XenStore there is nothing to obey.
func serveControl(s *store, terminate func()) {
	if s.watch(controlNode) != nil {
		return
	}
	for s.event() == nil {
		switch wish, err := s.read(controlNode); {
		case err != nil:
			// The node need not be there.
		case wish == "poweroff" || wish == "halt":
			// Emptied, it says that we have seen it.
			if s.write(controlNode, "") == nil {
				terminate()
			}
		}
	}
}

// terminate sends the program SIGTERM.
func terminate() {
	// There is no reason for which it could fail.
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGTERM)
}
