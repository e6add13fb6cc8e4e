// Command share does something with the files of the directory /host:
//
//	serve      serves them by HTTP
//	publish N  replaces "current" N times, by renaming
//	watch N    waits for the N-th, and wants each that it sees to be whole
//	escape     tries to leave the directory
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const dir = "/host"

func main() {
	if err := do(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func do(args []string) error {
	switch args[0] {
	case "serve":
		fmt.Println("serving on :8080")
		return http.ListenAndServe(":8080", http.FileServer(http.Dir(dir)))
	case "publish", "watch":
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		if args[0] == "publish" {
			return publish(n)
		}
		return watch(n)
	case "escape":
		return escape()
	}
	return fmt.Errorf("unknown argument %q", args[0])
}

// content is what edition n consists of.
func content(n int) []byte {
	return bytes.Repeat([]byte(strconv.Itoa(n)+"\n"), 50_000)
}

func publish(n int) error {
	for i := range n {
		temp := filepath.Join(dir, "next")
		if err := os.WriteFile(temp, content(i+1), 0o644); err != nil {
			return err
		}
		if err := os.Rename(temp, filepath.Join(dir, "current")); err != nil {
			return err
		}
	}
	fmt.Println("published", n)
	return nil
}

func watch(n int) error {
	fmt.Println("watching")
	last, seen := 0, 0
	for last < n {
		b, err := os.ReadFile(filepath.Join(dir, "current"))
		if errors.Is(err, fs.ErrNotExist) && last == 0 {
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		line, _, _ := bytes.Cut(b, []byte("\n"))
		edition, err := strconv.Atoi(string(line))
		if err != nil || edition < last || !bytes.Equal(b, content(edition)) {
			return fmt.Errorf("after edition %d: %d bytes that begin with %q", last, len(b), line)
		}
		if edition > last {
			seen++
		}
		last = edition
	}
	fmt.Println("saw", seen, "editions up to", last)
	return nil
}

// escape wants that nothing leads out of the directory. The host has put a
// symbolic link there that does, for the host.
func escape() error {
	link := filepath.Join(dir, "link")
	target, err := os.Readlink(link)
	if err != nil {
		return err
	}
	if b, err := os.ReadFile(link); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s leads to %q, %v", target, b, err)
	}
	base := filepath.Base(target)
	for _, path := range []string{dir + "/../" + base, dir + "/sub/../../" + base, target} {
		if b, err := os.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is %q, %v", path, b, err)
		}
	}
	// A directory that becomes a link while it is open.
	sub, err := os.OpenRoot(filepath.Join(dir, "sub"))
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "moved")); err != nil {
		return err
	}
	if err := os.Symlink("..", filepath.Join(dir, "sub")); err != nil {
		return err
	}
	if err := sub.WriteFile("inside", nil, 0o600); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(dir, "moved", "inside")); err != nil {
		return err
	}
	fmt.Println("stayed inside")
	return nil
}
