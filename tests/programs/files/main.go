// Command files looks at the files that its image brings along (ringo.json), and
// serves all files of the machine: GET and PUT at their path.
package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing/fstest"
)

//go:embed site
var embedded embed.FS

func main() {
	log.SetFlags(0)
	if err := look("/srv/site"); err != nil {
		log.Fatal("FAIL ", err)
	}
	files := http.FileServer(http.Dir("/"))
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			files.ServeHTTP(w, r)
			return
		}
		if err := store(filepath.Clean(r.URL.Path), r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusInsufficientStorage)
		}
	})
	fmt.Println("serving on :8080")
	log.Fatal(http.ListenAndServe(":8080", nil))
}

// store writes a file and makes it durable.
func store(name string, from io.Reader) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, from); err != nil {
		return err
	}
	return f.Sync()
}

// look checks that the files are there, are what they are in the source, and cannot
// be changed.
func look(dir string) error {
	if err := fstest.TestFS(os.DirFS(dir), "index.tmpl", "text.txt", "sub/file.txt"); err != nil {
		return err
	}
	for _, name := range []string{"index.tmpl", "text.txt", "sub/file.txt"} {
		want, err := embedded.ReadFile("site/" + name)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	t, err := template.ParseFS(os.DirFS(dir), "*.tmpl")
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := t.ExecuteTemplate(&page, "index.tmpl", "it works"); err != nil || page.String() != "<h1>it works</h1>\n" {
		return fmt.Errorf("the template gave %q, %v", page.String(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o644); !errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("a new file: %v", err)
	}
	return mapped(filepath.Join(dir, "text.txt"))
}

// mapped looks at a file through mmap.
func mapped(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	want, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, len(want), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	if !bytes.Equal(b, want) {
		return fmt.Errorf("mapped it is %q, want %q", b, want)
	}
	return nil
}
