//go:build ringo

package runtime

// ringoKeepsStack reports whether a goroutine that has ended keeps a stack of n bytes,
// for the one that it becomes next. Those of connections are all of a size, which
// is some times what a goroutine starts with, since the kernel runs on them too; to
// grow there was a sixth of what a connection cost. A collection frees them.
func ringoKeepsStack(n uintptr) bool {
	const most = 16 << 10
	least := uintptr(startingStackSize)
	return n == least || ringoBare != 0 && n > least && n <= most
}
