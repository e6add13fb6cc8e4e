package tmpfs

import (
	"strings"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/pages"
)

func read(t *testing.T, d *Dir, name string) string {
	t.Helper()
	n, err := d.Lookup(name)
	if err != 0 {
		t.Fatalf("%s: %v", name, err)
	}
	buf := make([]byte, 1<<20)
	size, err := n.(*file).ReadAt(buf, 0)
	if err != 0 {
		t.Fatalf("%s: %v", name, err)
	}
	return string(buf[:size])
}

// TestLater builds a directory when it is first used, whatever uses it.
func TestLater(t *testing.T) {
	big := strings.Repeat("0123456789", 10_000)
	uses := map[string]func(d *Dir) kernel.Errno{
		"Lookup": func(d *Dir) kernel.Errno { _, err := d.Lookup("small"); return err },
		"ReadDir": func(d *Dir) kernel.Errno {
			n := 0
			d.ReadDir(0, func(kernel.DirEntry) bool { n++; return true })
			if n != 4 {
				t.Errorf("%d entries, want 4", n)
			}
			return 0
		},
		"Unlink": func(d *Dir) kernel.Errno { return d.Unlink("link") },
		"Mkdir":  func(d *Dir) kernel.Errno { _, err := d.Mkdir("sub", 0); return err ^ syscall.EEXIST },
		"Rename": func(d *Dir) kernel.Errno { return d.Rename("link", d, "renamed", 0) },
		"Rename to": func(d *Dir) kernel.Errno {
			return d.parent.Rename("other", d, "big", 1) ^ syscall.EEXIST
		},
		"Rmdir": func(d *Dir) kernel.Errno { return d.parent.Rmdir("dir") ^ syscall.ENOTEMPTY },
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			root := New(pages.NewStore(1<<20), 0o755).root
			root.AddFile("other", "", 0o644)
			filled := 0
			d := root.AddDir("dir", 0o755).Later(func(d *Dir) {
				filled++
				d.AddFile("small", "text", 0o644)
				d.AddFile("big", big, 0o644)
				d.AddDir("sub", 0o755)
				d.AddLink("link", "small")
			})
			if filled != 0 {
				t.Error("filled before it was used")
			}
			if err := use(d); err != 0 {
				t.Error(err)
			}
			if read(t, d, "small") != "text" || read(t, d, "big") != big || filled != 1 {
				t.Errorf("wrong contents, filled %d times", filled)
			}
		})
	}
}

// TestLinks counts the links of directories through all that changes them.
func TestLinks(t *testing.T) {
	root := New(pages.NewStore(1<<20), 0o755).root
	expect := func(links ...uint64) {
		t.Helper()
		for i, d := range []string{"", "a", "b"} {
			n := kernel.Inode(root)
			if d != "" {
				n, _ = root.Lookup(d)
			}
			var st syscall.Stat_t
			n.Stat(&st)
			if st.Nlink != links[i] {
				t.Errorf("%q has %d links, want %d", d, st.Nlink, links[i])
			}
		}
	}
	a, _ := root.Mkdir("a", 0o755)
	b, _ := root.Mkdir("b", 0o755)
	expect(4, 2, 2)
	a.(*Dir).Mkdir("x", 0o755)
	expect(4, 3, 2)
	a.(*Dir).Rename("x", b.(*Dir), "y", 0)
	expect(4, 2, 3)
	a.(*Dir).Create("f", syscall.S_IFREG, 0)
	a.(*Dir).Rename("f", b.(*Dir), "y", 2)
	expect(4, 3, 2)
	a.(*Dir).Rmdir("f")
	expect(4, 2, 2)
	if err := root.Rename("a", b.(*Dir), "a", 0); err != 0 {
		t.Error(err)
	}
	if dir, name := a.(*Dir).Parent(); dir != b || name != "a" {
		t.Errorf("the parent is %v, the name %q", dir, name)
	}
}
