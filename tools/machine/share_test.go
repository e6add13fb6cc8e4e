package machine

import "testing"

func TestParseShare(t *testing.T) {
	for text, want := range map[string]Share{
		".:/data":           {Dir: ".", Path: "/data"},
		"/x/y:/data/z/:ro":  {Dir: "/x/y", Path: "/data/z", ReadOnly: true},
		"/odd:/name:/a, b:": {Dir: "/odd:/name", Path: "/a, b:"},
	} {
		if got, err := ParseShare(text); got != want || err != nil {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "/x", ":/x", "/x:", "/x:y", "/x:/", "/x:/..", "x:/a\nb", "/x:ro", "/x:/data:rw", "/x:/data:rw:ro", "/x:/data:z"} {
		if s, err := ParseShare(text); err == nil {
			t.Errorf("%q: %+v", text, s)
		}
	}
}
