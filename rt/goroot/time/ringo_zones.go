//go:build ringo

package time

import (
	"internal/ringo/tzdata"

	"ringo.dev/ringo/rt"
)

// ringoZones makes the time zone database known that the rules of rt/overlay
// copy from package time/tzdata. LoadLocation calls it, once, so that a program
// which does not load time zones does not hold it.
func ringoZones() {
	if rt.Bare() && loadFromEmbeddedTZData == nil {
		loadFromEmbeddedTZData = tzdata.Load
	}
}
