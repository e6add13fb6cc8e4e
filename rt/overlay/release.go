package overlay

import (
	"fmt"
	"go/build"
	"strconv"
	"strings"
)

// oldest and newest are the minor versions of the Go releases, 1.N, for which
// the rules are written.
const oldest, newest = 26, 27

// Releases names the Go releases that the rules are written for.
func Releases() string { return minorName(oldest) + " and " + minorName(newest) }

// minorRelease returns N of a release "go1.N[.M]", if the rules cover it.
func minorRelease(release string) (int, error) {
	s, ok := strings.CutPrefix(release, "go1.")
	if i := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		s = s[:i]
	}
	n, err := strconv.Atoi(s)
	if !ok || err != nil || n < oldest || n > newest {
		return 0, fmt.Errorf("the Go release %s is not supported; use %s, for example with GOTOOLCHAIN=%s.0",
			release, Releases(), minorName(newest))
	}
	return n, nil
}

// minorName is the name of release 1.n in rules and messages.
func minorName(n int) string { return "go1." + strconv.Itoa(n) }

// guestContext returns the build constraints that hold in a guest built by
// release 1.minor.
func guestContext(minor int) build.Context {
	c := build.Context{
		GOOS:      "linux",
		GOARCH:    "amd64",
		Compiler:  "gc",
		BuildTags: []string{"ringo"},
	}
	for n := 1; n <= minor; n++ {
		c.ReleaseTags = append(c.ReleaseTags, minorName(n))
	}
	return c
}
