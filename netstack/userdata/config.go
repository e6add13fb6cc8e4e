package userdata

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Config is what the boot configuration says about user data.
type Config struct {
	Wait    time.Duration // for an answer, at most
	sources []source
}

// Wanted reports whether there is anybody to ask.
func (c *Config) Wanted() bool { return len(c.sources) > 0 }

// A program waits so long at most if the configuration does not say how long, and
// no longer than maxWait if it does.
const (
	defaultWait = 10 * time.Second
	maxWait     = 3600 // seconds
)

// ParseConfig reads the configuration's lines; those of others are skipped.
func ParseConfig(text string) (Config, error) {
	c := Config{Wait: defaultWait}
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\r"), "=")
		var err error
		switch key {
		case "user-data":
			c.sources, err = parseSources(value)
		case "user-data.wait":
			c.Wait, err = parseWait(value)
		}
		if err != nil {
			return Config{}, fmt.Errorf("%s: %w", key, err)
		}
	}
	return c, nil
}

// parseWait reads a number of seconds.
func parseWait(s string) (time.Duration, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || n > maxWait {
		return 0, fmt.Errorf("want a number of seconds, 1 to %d", maxWait)
	}
	return time.Duration(n) * time.Second, nil
}

// parseSources reads a list of sources, separated by commas.
func parseSources(s string) ([]source, error) {
	var list []source
	for name := range strings.SplitSeq(s, ",") {
		known := false
		for _, service := range services() {
			if name == service.name || name == "auto" {
				list = append(list, service)
				known = true
			}
		}
		if known {
			continue
		}
		own, err := parseURL(name)
		if err != nil {
			return nil, err
		}
		list = append(list, own)
	}
	return list, nil
}

// parseURL reads http://ADDR[:PORT]/PATH, of a server that answers with user data.
func parseURL(s string) (source, error) {
	rest, isURL := strings.CutPrefix(s, "http://")
	if !isURL {
		return source{}, fmt.Errorf("%q is neither auto, nor disk, nor a service that is known, nor http://ADDR/PATH", s)
	}
	host, path, _ := strings.Cut(rest, "/")
	server, err := netip.ParseAddrPort(host)
	if err != nil {
		server, err = netip.ParseAddrPort(host + ":80")
	}
	if err != nil || server.Addr().Zone() != "" || !printable(path) {
		return source{}, fmt.Errorf("%q: want http://ADDR/PATH or http://ADDR:PORT/PATH, with a numeric address and without blanks", s)
	}
	return source{name: s, server: server, path: "/" + path}, nil
}

// printable reports whether s consists of visible ASCII characters.
func printable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
