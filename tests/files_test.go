package tests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
)

// fileServer is tests/programs/files, running.
type fileServer struct {
	t    *testing.T
	addr string
}

// serveFiles starts it with more arguments for ringo run.
func serveFiles(t *testing.T, args ...string) *fileServer {
	t.Helper()
	needKVM(t)
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s := &fileServer{t, "127.0.0.1:" + port}
	g, err := ringo.Start(context.Background(), append(append([]string{"-p", s.addr + ":8080"}, args...), "ringo.dev/ringo/tests/programs/files")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Stop()
		if t.Failed() {
			t.Logf("its output:\n%s", shorten(g.Output()))
		}
	})
	if err := g.Await(limit(t, 3*time.Minute), "serving on"); err != nil {
		t.Fatal(err)
	}
	return s
}

// do makes a request and returns the answer, whose body is still to be read.
func (s *fileServer) do(method, path string, body io.Reader, header ...string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(limit(s.t, time.Minute), method, "http://"+s.addr+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// get returns the status and body of what is at a path.
func (s *fileServer) get(path string, header ...string) (int, string) {
	s.t.Helper()
	answer := s.do(http.MethodGet, path, nil, header...)
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, string(b)
}

// checkSum fails unless the file at a path has a sum.
func (s *fileServer) checkSum(path string, want [32]byte) {
	s.t.Helper()
	h := sha256.New()
	n, err := io.Copy(h, s.do(http.MethodGet, path, nil).Body)
	if got := [32]byte(h.Sum(nil)); err != nil || got != want {
		s.t.Errorf("%s: %d bytes, %v, not what was written", path, n, err)
	}
}

// put stores a file.
func (s *fileServer) put(path string, data []byte) {
	s.t.Helper()
	if answer := s.do(http.MethodPut, path, bytes.NewReader(data)); answer.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(answer.Body)
		s.t.Fatalf("PUT %s: %s: %s", path, answer.Status, b)
	}
}

// TestFiles serves the files of a ringo.json, and of --files, to HTTP clients.
func TestFiles(t *testing.T) {
	extra := t.TempDir()
	if err := os.WriteFile(filepath.Join(extra, "empty"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s := serveFiles(t, "--files", extra+":/srv/other")
	info, err := os.Stat("programs/files/site/text.txt")
	if err != nil {
		t.Fatal(err)
	}
	answer := s.do(http.MethodHead, "/srv/site/text.txt", nil)
	modified := answer.Header.Get("Last-Modified")
	if modified != info.ModTime().UTC().Format(http.TimeFormat) || answer.ContentLength != info.Size() {
		t.Errorf("modified %q, %d bytes; the source %v, %d bytes", modified, answer.ContentLength, info.ModTime(), info.Size())
	}
	for _, c := range []struct {
		path   string
		header []string
		status int
		body   string
	}{
		{"/srv/site/text.txt", nil, 200, "plain text, for ranges\n"},
		{"/srv/site/text.txt", []string{"Range", "bytes=6-9"}, 206, "text"},
		{"/srv/site/text.txt", []string{"Range", "bytes=-7"}, 206, "ranges\n"},
		{"/srv/site/text.txt", []string{"If-Modified-Since", modified}, 304, ""},
		{"/srv/other/", nil, 200, "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n<a href=\"empty\">empty</a>\n</pre>\n"},
		{"/srv/site/nothing", nil, 404, "404 page not found\n"},
	} {
		if status, body := s.get(c.path, c.header...); status != c.status || body != c.body {
			t.Errorf("%s %v: %d %q, want %d %q", c.path, c.header, status, body, c.status, c.body)
		}
	}
}

// TestFilesNested mounts files, and a directory of the host, within each other.
func TestFilesNested(t *testing.T) {
	dirs := map[string]string{}
	for _, name := range []string{"outer", "inner", "shared", "packed"} {
		dirs[name] = t.TempDir()
		if err := os.WriteFile(filepath.Join(dirs[name], "name"), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dirs["outer"], "host"), 0o755); err != nil {
		t.Fatal(err)
	}
	s := serveFiles(t,
		"--files", dirs["outer"]+":/srv/outer", "--files", dirs["inner"]+":/srv/outer/deep/inner", "-v", dirs["shared"]+":/srv/outer/host",
		"-v", dirs["shared"]+":/srv/shared", "--files", dirs["packed"]+":/srv/shared/packed")
	for path, want := range map[string]string{
		"/srv/outer": "outer", "/srv/outer/deep/inner": "inner", "/srv/outer/host": "shared",
		"/srv/shared": "shared", "/srv/shared/packed": "packed",
	} {
		if status, body := s.get(path + "/name"); status != http.StatusOK || body != want {
			t.Errorf("%s: %d %q, want %q", path, status, body, want)
		}
	}
}

// TestFilesLarge moves 100 MB by HTTP through every kind of storage.
func TestFilesLarge(t *testing.T) {
	data := make([]byte, 100_000_000)
	rand.NewChaCha8([32]byte{1}).Read(data)
	sum := sha256.Sum256(data)
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "files"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "files", "large"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("image", func(t *testing.T) {
		s := serveFiles(t, "--files", filepath.Join(dir, "files")+":/srv/large") // in 64 MB of memory
		s.checkSum("/srv/large/large", sum)
	})
	t.Run("disk", func(t *testing.T) {
		disk := filepath.Join(dir, "disk.img")
		if out, err := ringo.Command(limit(t, time.Minute), "volume", "create", "--size", "400M", disk).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		s := serveFiles(t, "--disk", disk+":/data") // in 64 MB of memory
		s.put("/data/large", data)
		s.checkSum("/data/large", sum)
	})
	t.Run("tmpfs", func(t *testing.T) {
		s := serveFiles(t, "-m", "384M")
		s.put("/tmp/large", data)
		s.checkSum("/tmp/large", sum)
	})
}

// TestFilesErrors: what cannot be packed is an error with its cause.
func TestFilesErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ flag, want string }{
		{dir, "want DIR:/path"},
		{dir + "x:/srv", "no such file or directory"},
		{"files_test.go:/srv", "is no directory"},
		{dir + ":/", "below /"},
	} {
		r, err := ringo.Run(limit(t, time.Minute), "--files", c.flag, "ringo.dev/ringo/examples/hello")
		if err != nil || r.Status != 125 || !strings.Contains(r.Output, c.want) {
			t.Errorf("--files %s: status %d, %v, %q; want %q", c.flag, r.Status, err, r.Output, c.want)
		}
	}
	r, err := ringo.Run(limit(t, time.Minute), "--files", dir+":/srv", program(t, "examples/hello"))
	if err != nil || r.Status != 125 || !strings.Contains(r.Output, "ringo build") {
		t.Errorf("--files with an executable: status %d, %v, %q", r.Status, err, r.Output)
	}
}

// TestGuestsOnDisk shows the properties of files and of their mappings on a disk.
func TestGuestsOnDisk(t *testing.T) {
	needKVM(t)
	disk := filepath.Join(t.TempDir(), "disk.img")
	if out, err := ringo.Command(limit(t, time.Minute), "volume", "create", "--size", "400M", disk).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	show := func(t *testing.T, file, property string) string {
		t.Helper()
		r, err := ringo.Run(limit(t, time.Minute), "--net", "none", "--timeout", "60s", "--disk", disk+":/data", "-e", "TMPDIR=/data", file, "--", property)
		if err != nil || r.Status != 0 {
			t.Errorf("%s: status %d, %v\n%s", property, r.Status, err, r.Output)
		}
		return r.Output
	}
	for _, guest := range []string{"files", "mappings"} {
		t.Run(guest, func(t *testing.T) {
			file := program(t, "tests/guests/"+guest)
			properties, err := harness.Properties(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range properties {
				show(t, file, p)
			}
			if guest == "mappings" {
				if output := show(t, file, "kept"); !strings.Contains(output, "found") {
					t.Errorf("nothing was kept: %s", output)
				}
			}
		})
	}
	if out, err := ringo.Command(limit(t, time.Minute), "volume", "fsck", disk).CombinedOutput(); err != nil {
		t.Errorf("fsck: %v\n%s", err, out)
	}
}
