package overlay

import (
	"os"
	"path/filepath"
)

// The standard library of a guest is compiled with a profile (go.dev/doc/pgo) of a server
// that answers HTTP requests and datagrams: the way of a packet leads through some
// hundred short functions, whose calls cost more than what they do. "go run
// ./tests/profile" records it.
const (
	profileSource = "rt/network.pgo" // in Config.Source
	profileFile   = "profile.pgo"    // beside jsonFile
)

// Profile returns the file with the profile for the packages of a GOROOT that is a
// mirror, or "" if it is none.
func Profile(goroot string) string {
	file := filepath.Join(filepath.Dir(goroot), profileFile)
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}
