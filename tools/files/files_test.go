package files

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/erofs/go-erofs"
)

func TestParseMount(t *testing.T) {
	dir := t.TempDir()
	if m, err := ParseMount(dir + ":/srv/"); err != nil || m != (Mount{dir, "/srv"}) {
		t.Errorf("%v, %v", m, err)
	}
	for _, s := range []string{"", dir, ":/srv", dir + ":srv", dir + ":/", dir + ":/..", dir + "x:/srv", "files_test.go:/srv"} {
		if m, err := ParseMount(s); err == nil {
			t.Errorf("%q is %v", s, m)
		}
	}
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	if m, err := ReadConfig(dir); m != nil || err != nil {
		t.Errorf("without a file: %v, %v", m, err)
	}
	os.MkdirAll(filepath.Join(dir, "a/b"), 0o755)
	for text, want := range map[string]any{
		`{}`:                                  []Mount(nil),
		`{"files": {"/y": "a", "/x": "a/b"}}`: []Mount{{dir + "/a/b", "/x"}, {dir + "/a", "/y"}},
		`{"file": {"/x": "a"}}`:               `unknown field "file"`,
		`{"files": {"/x": "c"}}`:              "c: no such file",
		`{"files": {"x": "a"}}`:               "absolute path",
		`{} {}`:                               "more than one value",
		`{`:                                   "unexpected EOF",
	} {
		os.WriteFile(filepath.Join(dir, ConfigName), []byte(text), 0o644)
		got, err := ReadConfig(dir)
		if list, ok := want.([]Mount); ok && (err != nil || !reflect.DeepEqual(got, list)) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if part, ok := want.(string); ok && (err == nil || !strings.Contains(err.Error(), part)) {
			t.Errorf("%s: %v, %v, want %q", text, got, err, part)
		}
	}
}

// TestPackPlaces packs a directory in which others are to be mounted.
func TestPackPlaces(t *testing.T) {
	dir := t.TempDir()
	for name, err := range map[string]error{
		"file":  os.WriteFile(filepath.Join(dir, "file"), nil, 0o644),
		"there": os.Mkdir(filepath.Join(dir, "there"), 0o755),
		"link":  os.Symlink("nowhere", filepath.Join(dir, "link")),
	} {
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Pack(f, dir, "there", "there/a/b", "new", "new/c", "link/d"); err != nil {
		t.Fatal(err)
	}
	var got []string
	image, err := erofs.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(image, ".", func(name string, _ fs.DirEntry, err error) error {
		got = append(got, name)
		return err
	})
	if want := []string{".", "file", "link", "new", "new/c", "there", "there/a", "there/a/b"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if err := Pack(f, dir, "file/x"); err == nil || !strings.Contains(err.Error(), "file is no directory") {
		t.Errorf("a file where a directory is to be: %v", err)
	}
}

func TestMerge(t *testing.T) {
	got := Merge([]Mount{{"a", "/x"}, {"b", "/y"}}, []Mount{{"c", "/y/z"}, {"d", "/x"}})
	if want := []Mount{{"d", "/x"}, {"b", "/y"}, {"c", "/y/z"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}
