package machine

import (
	"maps"
	"testing"
)

func TestParseDisk(t *testing.T) {
	for text, want := range map[string]Disk{
		"a.img":                       {File: "a.img"},
		"/x/a.img:ro":                 {File: "/x/a.img", ReadOnly: true},
		"a.img:/data":                 {File: "a.img", Path: "/data"},
		"a.img:/data/x/:ro":           {File: "a.img", Path: "/data/x", ReadOnly: true},
		"/dev/disk/by-path/pci-0:1f":  {File: "/dev/disk/by-path/pci-0:1f"},
		"a.img:direct":                {File: "a.img", Direct: true},
		"a.img:/data:ro:direct":       {File: "a.img", Path: "/data", ReadOnly: true, Direct: true},
		"a.img:/data:direct:ro":       {File: "a.img", Path: "/data", ReadOnly: true, Direct: true},
		"direct:/direct":              {File: "direct", Path: "/direct"},
		"a:direct:direct":             {File: "a:direct", Direct: true},
		"a.img:/with,comma: and more": {File: "a.img", Path: "/with,comma: and more"},
	} {
		if got, err := ParseDisk(text); got != want || err != nil {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ":ro", ":direct:ro", "a.img:/:direct", ":/data", "a.img:/", "a.img:/..", "a.img:/x\ny", "a.img:/data:rw", "a.img:/data:ro:rw", "a.img:/data:ro:direct:ro"} {
		if d, err := ParseDisk(text); err == nil {
			t.Errorf("%q: %+v", text, d)
		}
	}
}

func TestMounts(t *testing.T) {
	got := mounts([]Disk{{File: "a", Path: "/data"}, {File: "b"}, {File: "c", Path: "/more", ReadOnly: true}}, []Share{{Dir: "d", Path: "/host", ReadOnly: true}})
	want := map[string]string{"mount.0": "volume,rw,/dev/vda,/data", "mount.1": "volume,ro,/dev/vdc,/more", "mount.2": "virtiofs,ro,share0,/host"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
