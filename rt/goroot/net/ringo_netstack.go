//go:build ringo

package net

import (
	"os"

	"ringo.dev/ringo/netstack"
)

func init() {
	netstack.Start()
	os.Args = netstack.UserData(os.Args)
}
