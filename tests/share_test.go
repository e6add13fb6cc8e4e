package tests

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tests/load"
)

// TestShareFiles shows the properties of tests/guests/files in a directory of
// the host.
func TestShareFiles(t *testing.T) {
	needKVM(t)
	h := startHostServices(t)
	file := program(t, "tests/guests/files")
	properties, err := harness.Properties(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, property := range properties {
		t.Run(property, func(t *testing.T) {
			w := oneCPU
			w.args = append([]string{"-v", t.TempDir() + ":/host", "-e", "TMPDIR=/host"}, w.args...)
			if err := runProperty(t.Context(), ringo, h, w, file, "files", property); err != nil {
				t.Error(err)
			}
		})
	}
}

// startShare starts tests/programs/share with a directory.
func startShare(t *testing.T, ctx context.Context, volume string, args ...string) *harness.Guest {
	t.Helper()
	g, err := ringo.Start(ctx, append([]string{"--net", "none", "-v", volume, program(t, "tests/programs/share"), "--"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	return g
}

// TestShareRename has a VM publish files by renaming, and another one read them.
func TestShareRename(t *testing.T) {
	needKVM(t)
	program(t, "tests/programs/share") // which may take a while
	const editions = "200"
	ctx := limit(t, time.Minute)
	volume := t.TempDir() + ":/host"
	reader := startShare(t, ctx, volume+":ro", "watch", editions)
	if err := reader.Await(ctx, "watching"); err != nil {
		t.Fatal(err)
	}
	for _, g := range []*harness.Guest{startShare(t, ctx, volume, "publish", editions), reader} {
		r, err := g.Wait(ctx)
		if err != nil || r.Status != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		t.Log(r.Output)
	}
}

// TestShareEscape has a program try to leave its directory.
func TestShareEscape(t *testing.T) {
	needKVM(t)
	base := t.TempDir()
	shared := filepath.Join(base, "shared")
	if err := os.MkdirAll(filepath.Join(shared, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(base, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(shared, "link")); err != nil {
		t.Fatal(err)
	}
	program(t, "tests/programs/share")
	ctx := limit(t, time.Minute)
	r, err := startShare(t, ctx, shared+":/host", "escape").Wait(ctx)
	if err != nil || r.Status != 0 || !strings.Contains(r.Output, "stayed inside") {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := os.Stat(filepath.Join(shared, "moved", "inside")); err != nil {
		t.Error(err)
	}
}

// TestShareReadOnly wants a directory with :ro to be that.
func TestShareReadOnly(t *testing.T) {
	needKVM(t)
	program(t, "tests/programs/share")
	dir := t.TempDir()
	ctx := limit(t, time.Minute)
	r, err := startShare(t, ctx, dir+":/host:ro", "publish", "1").Wait(ctx)
	if err != nil || r.Status != 1 || !strings.Contains(r.Output, "read-only file system") {
		t.Errorf("%+v, %v", r, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestShareServe gets a large file from a directory by HTTP.
func TestShareServe(t *testing.T) {
	needKVM(t)
	const size = 100 << 20
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, hash), load.Bytes(size)); err != nil {
		t.Fatal(err)
	}
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	file := program(t, "tests/programs/share")
	ctx := limit(t, time.Minute)
	g, err := ringo.Start(ctx, "-p", "127.0.0.1:"+port+":8080", "-v", dir+":/host:ro", file, "--", "serve")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	if err := g.Await(ctx, "serving"); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	request, err := http.NewRequestWithContext(ctx, "GET", "http://127.0.0.1:"+port+"/large", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got := sha256.New()
	n, err := io.Copy(got, answer.Body)
	if err != nil || n != size || fmt.Sprintf("%x", got.Sum(nil)) != fmt.Sprintf("%x", hash.Sum(nil)) {
		t.Errorf("%d bytes, sum %x, %v; want %d, %x", n, got.Sum(nil), err, size, hash.Sum(nil))
	}
	t.Logf("%d MB in %v", n>>20, time.Since(start))
}
