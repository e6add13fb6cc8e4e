// Package ringo holds the source code that is compiled into guests, so that an
// installed ringo command needs nothing beside it.
package ringo

import "embed"

// Source is the part of this module that the package rt/overlay makes overlays
// from. What is added here also decides when cached overlays are out of date.
//
//go:embed go.mod go.sum drivers kernel netstack rt syscalls vmm/abi
var Source embed.FS
