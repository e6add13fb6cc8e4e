//go:build tools

// Package modules is a module of its own: it names the versions of the modules whose
// tests run in guests, so that ringo does not depend on them.
package modules

import (
	_ "go.etcd.io/bbolt"
	_ "modernc.org/sqlite"
)
