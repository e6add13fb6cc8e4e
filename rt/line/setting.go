package line

// Known reports whether key is one that stands behind "ringo.": a word of this
// package's own, or of the boot configuration, which packages syscalls, netstack and
// netstack/userdata read.
func Known(key string) bool {
	switch key {
	case "program", "seed",
		"hostname", "stdin", "stdout", "strace", "workdir",
		"net", "net.dhcp", "net.dns", "net.gateway", "net.ip", "net.ip6", "net.search", "net.verbose",
		"user-data", "user-data.wait":
		return true
	}
	if name, ok := cutPrefix([]byte(key), "env."); ok {
		return len(name) != 0
	}
	n, ok := cutPrefix([]byte(key), "mount.")
	for _, c := range n {
		ok = ok && c >= '0' && c <= '9'
	}
	return ok && len(n) != 0
}
