package files

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
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

func TestMerge(t *testing.T) {
	got := Merge([]Mount{{"a", "/x"}, {"b", "/y"}}, []Mount{{"c", "/y/z"}, {"d", "/x"}})
	if want := []Mount{{"d", "/x"}, {"b", "/y"}, {"c", "/y/z"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}
