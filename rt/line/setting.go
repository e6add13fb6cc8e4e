package line

// Known reports whether key is one that stands behind "ringo.": a word of this
// package's own, or of the boot configuration, which packages syscalls, netstack/config
// and netstack/userdata read.
func Known(key string) bool {
	switch key {
	case "program", "seed",
		"console", "hostname", "stdin", "stdout", "strace", "workdir",
		"net", "net.dhcp", "net.dns", "net.gateway", "net.ip", "net.ip6", "net.search", "net.verbose",
		"user-data", "user-data.wait":
		return true
	}
	if name, ok := cutPrefix([]byte(key), "env."); ok {
		return len(name) != 0
	}
	return isMount(key)
}

// isMount reports whether key is "mount." and a number.
func isMount(key string) bool {
	n, ok := cutPrefix([]byte(key), "mount.")
	for _, c := range n {
		ok = ok && c >= '0' && c <= '9'
	}
	return ok && len(n) != 0
}

// Problem returns what is wrong with the value of a setting that is Known, or "".
// Packages netstack/config and netstack/userdata look at the values of theirs.
func Problem(key, value string) string {
	ok, want := true, ""
	switch key {
	case "strace":
		ok, want = value == "0" || value == "1", "want 0 or 1"
	case "stdin", "stdout":
		ok, want = value == "terminal" || value == "device" || value == "pipe", "want terminal, device or pipe"
	case "hostname":
		ok, want = len(value) != 0 && len(value) <= maxHostname, "want a name of 1 to 64 bytes"
	case "workdir":
		ok, want = len(value) != 0 && value[0] == '/', "want an absolute path"
	default:
		if isMount(key) {
			ok, want = isMountValue(value), "want TYPE,rw,SOURCE,PATH, or ro for rw, with an absolute path"
		}
	}
	if ok {
		return ""
	}
	return want
}

// maxHostname is the longest name that Linux takes (__NEW_UTS_LEN).
const maxHostname = 64

// isMountValue reports whether value is TYPE,rw,SOURCE,PATH, or ro for rw, and PATH,
// which may have commas, begins with a slash.
func isMountValue(value string) bool {
	fields := 0
	for i := 0; i < len(value); i++ {
		if value[i] != ',' {
			continue
		}
		switch field := value[:i]; fields {
		case 1:
			if field != "rw" && field != "ro" {
				return false
			}
		case 2:
			return i+1 < len(value) && value[i+1] == '/'
		}
		fields++
		value, i = value[i+1:], -1
	}
	return false
}
