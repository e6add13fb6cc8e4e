package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// home finds the user's directory, which is there, by the environment.
func home() error {
	dir, err := os.UserHomeDir()
	if err != nil {
		return err
	}
	_, err = os.ReadDir(dir)
	return err
}

// path looks for programs where PATH says.
func path() error {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	if len(dirs) == 0 {
		return fmt.Errorf("PATH is %q", os.Getenv("PATH"))
	}
	for _, dir := range dirs {
		if !filepath.IsAbs(dir) {
			return fmt.Errorf("%q in PATH is no absolute path", dir)
		}
	}
	if found, err := exec.LookPath("ringo-no-such-program"); found != "" {
		return fmt.Errorf("found %s, %v", found, err)
	}
	return nil
}
