package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"ringo.dev/ringo/tests/guests/check"
)

func devices() error {
	for name, want := range map[string]string{"/dev/zero": "\x00\x00\x00\x00", "/dev/null": "", "/dev/full": "\x00\x00\x00\x00"} {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		b := make([]byte, 4)
		n, err := f.Read(b)
		if err != nil && err != io.EOF {
			return err
		}
		if err := check.Equal("contents of "+name, string(b[:n]), want); err != nil {
			return err
		}
		_, err = f.WriteString("data")
		if name != "/dev/full" && err != nil {
			return err
		}
		if name == "/dev/full" && !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("write to %s: %v", name, err)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	for _, name := range []string{"/dev/random", "/dev/urandom"} {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		a, b := make([]byte, 32), make([]byte, 32)
		if _, err := io.ReadFull(f, a); err != nil {
			return err
		}
		if _, err := io.ReadFull(f, b); err != nil {
			return err
		}
		if bytes.Equal(a, b) {
			return fmt.Errorf("%s repeats itself", name)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	st, err := os.Stat("/dev/null")
	if err != nil {
		return err
	}
	return check.Equal("type of /dev/null", st.Mode().Type(), fs.ModeDevice|fs.ModeCharDevice)
}

// proc looks for what programs read in /proc.
func proc() error {
	for name, want := range map[string]string{
		"/proc/self/maps":      "r-xp",
		"/proc/self/status":    "VmRSS:",
		"/proc/self/stat":      fmt.Sprintf("%d (", os.Getpid()),
		"/proc/self/mountinfo": " / ",
		"/proc/self/cgroup":    "0::/",
		"/proc/cpuinfo":        "processor\t: 0",
		"/proc/meminfo":        "MemTotal:",
		"/proc/stat":           "cpu0 ",
		"/proc/uptime":         ".",
		"/proc/loadavg":        "/",
		"/proc/vmstat":         "\npswpin ",
		"/proc/sys/fs/file-nr": "\t0\t",

		"/proc/sys/kernel/random/entropy_avail": "\n",
	} {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if !strings.Contains(string(b), want) {
			return fmt.Errorf("no %q in %s:\n%s", want, name, b)
		}
	}
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return err
	}
	if n := bytes.Count(b, []byte("processor\t:")); n < runtime.NumCPU() {
		return fmt.Errorf("%d processors in /proc/cpuinfo, %d CPUs", n, runtime.NumCPU())
	}
	return nil
}

// sys looks for what programs read of the processors in /sys.
func sys() error {
	dirs, err := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*")
	if err != nil {
		return err
	}
	if len(dirs) < runtime.NumCPU() {
		return fmt.Errorf("%d processors in /sys, %d CPUs", len(dirs), runtime.NumCPU())
	}
	for _, name := range []string{"cpu0/topology/core_id", "cpu0/topology/physical_package_id", "offline", "online"} {
		b, err := os.ReadFile(filepath.Join("/sys/devices/system/cpu", name))
		if err != nil {
			return err
		}
		if !bytes.HasSuffix(b, []byte("\n")) {
			return fmt.Errorf("%s is %q", name, b)
		}
	}
	return nil
}

func etc() error {
	for _, name := range []string{"/etc/hosts", "/etc/passwd", "/etc/group"} {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if len(b) == 0 {
			return fmt.Errorf("%s is empty", name)
		}
	}
	return nil
}

func executable() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	if !filepath.IsAbs(path) || filepath.Base(path) == "exe" {
		return fmt.Errorf("the program is %q", path)
	}
	return nil
}

// standard wants the standard descriptors to have names and states.
func standard() error {
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if _, err := f.Stat(); err != nil {
			return err
		}
	}
	for _, name := range []string{"/dev/stdout", "/dev/stderr"} {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(f, "written to", name); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
