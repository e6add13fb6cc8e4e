// Command files shows the file system as package os sees it.
package main

import (
	"os"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"readwrite":   inTemp(readWrite),
		"large":       inTemp(large),
		"sparse":      inTemp(sparse),
		"append":      inTemp(appendOnly),
		"exclusive":   inTemp(exclusive),
		"rename":      inTemp(rename),
		"remove":      inTemp(remove),
		"directories": inTemp(directories),
		"links":       inTemp(links),
		"loops":       inTemp(loops),
		"permissions": inTemp(permissions),
		"times":       inTemp(times),
		"truncate":    inTemp(truncate),
		"deleted":     inTemp(deleted),
		"cwd":         inTemp(workingDirectory),
		"readdir":     inTemp(readDir),
		"root":        inTemp(root),
		"fstest":      inTemp(conform),
		"recordlocks": inTemp(recordLocks),
		"devices":     devices,
		"proc":        proc,
		"sys":         sys,
		"etc":         etc,
		"executable":  executable,
		"home":        home,
		"path":        path,
		"standard":    standard,
	})
}

// inTemp gives a property a new directory.
func inTemp(show func(dir string) error) func() error {
	return func() error {
		dir, err := os.MkdirTemp("", "files-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		return show(dir)
	}
}
