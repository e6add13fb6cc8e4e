package kernel_test

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
)

// watched are the calls of an inotify instance.
type watched interface {
	add(path string, mask uint32) (int, kernel.Errno)
	remove(id int) kernel.Errno
	read(p []byte) (int, kernel.Errno)
}

type ourWatch struct {
	k  *kernel.Kernel
	fd int
}

func (w ourWatch) add(path string, mask uint32) (int, kernel.Errno) {
	return w.k.InotifyAdd(w.fd, "/tmp/base/"+path, mask)
}
func (w ourWatch) remove(id int) kernel.Errno        { return w.k.InotifyRemove(w.fd, id) }
func (w ourWatch) read(p []byte) (int, kernel.Errno) { return w.k.Read(w.fd, p) }

type linuxWatch struct {
	fd   int
	base string
}

func (w linuxWatch) add(path string, mask uint32) (int, kernel.Errno) {
	id, err := syscall.InotifyAddWatch(w.fd, filepath.Join(w.base, path), mask)
	return id, errno(err)
}
func (w linuxWatch) remove(id int) kernel.Errno {
	_, err := syscall.InotifyRmWatch(w.fd, uint32(id))
	return errno(err)
}
func (w linuxWatch) read(p []byte) (int, kernel.Errno) {
	n, err := syscall.Read(w.fd, p)
	return n, errno(err)
}

// events reads what happened. Cookies are told by whether they are there.
func events(w watched) string {
	var all strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := w.read(buf)
		if err != 0 {
			fmt.Fprintf(&all, "%s\n", text(err))
			return all.String()
		}
		for b := buf[:n]; len(b) > 0; {
			size := binary.LittleEndian.Uint32(b[12:])
			name, _, _ := strings.Cut(string(b[16:16+size]), "\x00")
			fmt.Fprintf(&all, "%d: %#x %t %q (%d)\n", int32(binary.LittleEndian.Uint32(b)),
				binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]) != 0, name, size)
			b = b[16+size:]
		}
	}
}

// TestInotify makes the same calls here and on Linux; the events must be equal.
func TestInotify(t *testing.T) {
	k := newKernel(t)
	ok(t, k.Mkdir(cwd, "/tmp/base", 0o755))
	ourFD, err := k.Inotify(syscall.O_NONBLOCK)
	ok(t, err)
	dir := t.TempDir()
	linuxFD, lerr := syscall.InotifyInit1(syscall.IN_NONBLOCK | syscall.IN_CLOEXEC)
	if lerr != nil {
		t.Skip("no inotify to compare with: ", lerr)
	}
	defer syscall.Close(linuxFD)
	host, lerr := syscall.Open(dir, syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if lerr != nil {
		t.Fatal(lerr)
	}
	defer syscall.Close(host)

	const everything = syscall.IN_ALL_EVENTS &^ syscall.IN_ACCESS
	script := func(a api, w watched) string {
		var log []string
		step := func(what string, err kernel.Errno) {
			log = append(log, what+": "+text(err)+"\n"+events(w))
		}
		create := func(path string) (fd int) {
			fd, err := a.open(path, syscall.O_CREAT|syscall.O_RDWR)
			step("create "+path, err)
			return fd
		}
		_, err := w.add(".", everything)
		step("watch .", err)
		_, err = w.add("missing", everything)
		step("watch missing", err)
		_, err = w.add(".", 0)
		step("watch nothing", err)
		fd := create("a")
		id, err := w.add("a", everything)
		step("watch a", err)
		n, err := a.write(fd, []byte("data"))
		step(fmt.Sprint("write ", n), err)
		a.write(fd, []byte("data"))
		step("write twice, seen once", kernel.Errno(0))
		step("truncate", a.ftruncate(fd, 1))
		step("close", a.close(fd))
		fd, err = a.open("a", 0)
		step("open", err)
		step("close", a.close(fd))
		step("mkdir", a.mkdir("d"))
		step("symlink", a.symlink("a", "l"))
		step("link", a.link("a", "b", 0))
		step("rename", a.rename("a", "d/a", 0))
		step("rename", a.rename("d/a", "c", 0))
		step("rename over", a.rename("c", "l", 0))
		step("rmdir", a.unlink("d", 0x200))
		step("unlink", a.unlink("b", 0))
		step("stop", w.remove(id))
		step("stop again", w.remove(id))
		step("unlink", a.unlink("l", 0))
		_, err = w.add(".", syscall.IN_CREATE|syscall.IN_ONESHOT)
		step("once", err)
		step("mkdir", a.mkdir("d"))
		step("mkdir", a.mkdir("e"))
		_, err = w.add("d", syscall.IN_DELETE_SELF)
		step("watch d", err)
		step("rmdir", a.unlink("d", 0x200))
		_, err = w.add("e", everything|syscall.IN_ONLYDIR)
		step("watch e", err)
		step("rename e", a.rename("e", "f", 0))
		return strings.Join(log, "\n")
	}
	got := script(ours{k, open(t, k, "/tmp/base", 0)}, ourWatch{k, ourFD})
	expected := script(linux{host}, linuxWatch{linuxFD, dir})
	if got != expected {
		g, e := strings.Split(got, "\n"), strings.Split(expected, "\n")
		for i := range min(len(g), len(e)) {
			if g[i] != e[i] {
				t.Fatalf("kernel: %s\nLinux:  %s\nafter\n%s", g[i], e[i], strings.Join(e[max(0, i-12):i], "\n"))
			}
		}
		t.Fatalf("kernel: %q\nLinux: %q", got, expected)
	}
}
