package machine

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm"
	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/share"
	"ringo.dev/ringo/vmm/virtio"
)

// Share is a directory of the host that the program sees.
type Share struct {
	Dir      string // the host's
	Path     string // where the program sees it
	ReadOnly bool
}

// ParseShare parses HOSTDIR:/PATH[:ro].
func ParseShare(text string) (s Share, err error) {
	text, s.ReadOnly = strings.CutSuffix(text, ":ro")
	at := strings.LastIndex(text, ":/")
	if at > 0 {
		s.Dir, s.Path = text[:at], path.Clean(text[at+1:])
	}
	if s.Dir == "" || s.Path == "/" || strings.ContainsAny(s.Path, "\n\x00") {
		return s, fmt.Errorf("%s: want HOSTDIR:/PATH[:ro], and a path below /", text)
	}
	if option := unknownOption(s.Path); option != "" {
		return s, fmt.Errorf("%s: there is no option %q; want HOSTDIR:/PATH[:ro]", text, option)
	}
	return s, nil
}

// shares are directories that are being shared.
type shares []*share.Dir

// tag is the name of a share's device.
func tag(i int) string { return fmt.Sprintf("share%d", i) }

// openShares opens directories. What is wrong with one is found out here, before
// the machine starts. The process's umask is 0 afterwards, as the guest has its own.
func openShares(list []Share) (open shares, err error) {
	for _, s := range list {
		d, err := share.Open(s.Dir, s.ReadOnly)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("-v: %w", err), open.close())
		}
		open = append(open, d)
	}
	if len(list) > 0 {
		unix.Umask(0)
	}
	return open, nil
}

func (s shares) close() error {
	var errs []error
	for _, d := range s {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}

// devices returns the devices by which the guest reaches them.
func (s shares) devices() (devices []device.Device, err error) {
	for i, d := range s {
		fs, err := virtio.NewFS(tag(i), d.Handle, d.Reset)
		if err != nil {
			return nil, err
		}
		devices = append(devices, fs)
	}
	return devices, nil
}

// sharePaths returns what has to stay within reach of this process.
func sharePaths(list []Share) (paths []vmm.Path) {
	for _, s := range list {
		paths = append(paths, vmm.Path{Name: s.Dir, Write: !s.ReadOnly})
	}
	return paths
}
