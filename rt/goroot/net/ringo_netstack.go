//go:build ringo

package net

import "ringo.dev/ringo/netstack"

func init() { netstack.Start() }
