package line

import (
	"strings"
	"testing"
)

func TestKnown(t *testing.T) {
	for key, want := range map[string]bool{
		"net.verbose": true, "net": true, "seed": true, "env.A": true, "mount.0": true, "mount.12": true, "user-data.wait": true,
		"": false, "net.verbsoe": false, "Net": false, "env.": false, "env": false, "mount.": false, "mount.x": false, "mount": false,
	} {
		if got := Known(key); got != want {
			t.Errorf("%q: %v", key, got)
		}
	}
}

func TestProblem(t *testing.T) {
	for setting, want := range map[string]string{
		"net.verbose=1": "", "program=": "", "env.A=b=c": "", "strace=0": "", "strace=1": "", "stdin=pipe": "", "console=MARK": "", "hostname=web": "", "workdir=/": "",
		"strace=yes": "0 or 1", "strace=": "0 or 1", "stdin=": "terminal", "stdout=file": "terminal",
		"hostname=": "1 to 64", "hostname=" + strings.Repeat("a", 65): "1 to 64",
		"workdir=": "absolute", "workdir=data": "absolute",
		"mount.0=virtiofs,rw,tag,/a,b": "", "mount.12=volume,ro,,/a": "",
		"mount.0=": "want TYPE", "mount.0=tmpfs,rw,/a": "want TYPE", "mount.0=tmpfs,rx,,/a": "want TYPE",
		"mount.0=tmpfs,rw,,a": "want TYPE", "mount.0=tmpfs,rw,,": "want TYPE",
	} {
		key, value, _ := strings.Cut(setting, "=")
		got := Problem(key, value)
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", setting, got, want)
		}
	}
}
