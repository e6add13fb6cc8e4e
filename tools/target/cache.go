package target

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// CacheDir returns the directory of things of one kind that ringo can make
// again.
func CacheDir(kind string) (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w; set HOME or XDG_CACHE_HOME", err)
	}
	return filepath.Join(dir, "ringo", kind), nil
}

// maxAge is how long something stays in the cache without being used.
const maxAge = 30 * 24 * time.Hour

// prune removes what was not used since then from a cache directory. Nothing
// depends on it, so it has no errors.
func prune(cache string, then time.Time) {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.ModTime().Before(then) {
			os.RemoveAll(filepath.Join(cache, e.Name()))
		}
	}
}
