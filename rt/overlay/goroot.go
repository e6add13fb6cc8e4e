package overlay

import (
	"os"
	"path/filepath"
	"slices"
)

// A GOROOT that the go command can use an overlay with differs from the one
// that is installed in two ways, which is why there is a mirror of it, made of
// symbolic links:
//
//   - The go command refuses overlays of files in the module cache, which is
//     where GOTOOLCHAIN puts releases.
//   - It calls vet in the directory of each package, also of those that exist
//     only in the overlay.
//
// Neither the compiler nor the build cache sees the difference.

// mirror makes dir a mirror of goroot, in which guestRoot is a link to guest.
func mirror(goroot, dir, guest string) error {
	// What holds guestRoot is a directory of its own; all else is linked to.
	own := []string{"src", filepath.Join("src", filepath.Dir(guestRoot))}
	for _, name := range append([]string{"."}, own...) {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
		entries, err := os.ReadDir(filepath.Join(goroot, name))
		if err != nil {
			return err
		}
		for _, e := range entries {
			entry := filepath.Join(name, e.Name())
			if slices.Contains(own, entry) {
				continue
			}
			if err := os.Symlink(filepath.Join(goroot, entry), filepath.Join(dir, entry)); err != nil {
				return err
			}
		}
	}
	return os.Symlink(guest, filepath.Join(dir, "src", guestRoot))
}

// Installed returns the GOROOT that a directory mirrors, or the directory
// itself if it is not a mirror.
func Installed(goroot string) string {
	if _, err := os.Stat(filepath.Join(filepath.Dir(goroot), jsonFile)); err != nil {
		return goroot
	}
	bin, err := os.Readlink(filepath.Join(goroot, "bin"))
	if err != nil {
		return goroot
	}
	return filepath.Dir(bin)
}
