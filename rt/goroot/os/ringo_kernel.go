//go:build ringo

package os

import _ "ringo.dev/ringo/syscalls/autostart"
