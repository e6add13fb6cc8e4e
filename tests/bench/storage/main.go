// Command storage compares a program's use of files in a virtual machine, on a
// volume, with the same program as a process on the host directory that holds the
// volume's file:
//
//	go run ./tests/bench/storage [-runs N] [-dir DIR] [-new] [-direct]
//
// It prints a table of medians. What is measured is in the program's own module,
// since it uses a database. The volume's file was written once before, as the
// file of a volume that is in use is; with -new it has not been, and the host's
// file system has to find space for it meanwhile. With -direct the machine goes past
// the host's page cache.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tools/volumes"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("storage: ")
	var o options
	flag.IntVar(&o.runs, "runs", 3, "measure everything this often")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "a directory of the file system to be measured")
	flag.BoolVar(&o.fresh, "new", false, "the volume's file has never been written")
	flag.BoolVar(&o.direct, "direct", false, "the machine's disk goes past the host's page cache")
	flag.Parse()
	if err := run(context.Background(), &o); err != nil {
		log.Fatal(err)
	}
}

// options are the command's flags.
type options struct {
	runs   int
	dir    string
	fresh  bool
	direct bool
}

// rows are the lines of the table, in order: what the program calls them, and a
// reader.
var rows = []struct{ name, title string }{
	{"sequential-write", "sequential write, MB/s"},
	{"first-read", "sequential read, the machine's first, MB/s"},
	{"cached-read", "sequential read, cached, MB/s"},
	{"cached-read-64K", "the same, 64 KiB at a time"},
	{"cached-read-4K", "the same, 4 KiB at a time"},
	{"random-read", "random reads of 4 KiB, cached, 1/s"},
	{"synced-write", "writes of 4 KiB at random places, each with fsync, 1/s"},
	{"synced-append", "appends of 100 bytes, each with fsync, 1/s"},
	{"create-rename-unlink", "create, rename, unlink, 1/s"},
	{"sqlite-insert", "sqlite: inserts, each a transaction, 1/s"},
	{"sqlite-insert-1000", "sqlite: inserts, 1,000 a transaction, 1/s"},
}

// figures are what was measured, by name.
type figures map[string][]float64

// add adds what the program has printed.
func (f figures) add(output string) error {
	for line := range strings.Lines(output) {
		name, text, ok := strings.Cut(strings.TrimSpace(line), " ")
		value, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil {
			return fmt.Errorf("the program says: %s", output)
		}
		f[name] = append(f[name], value)
	}
	return nil
}

func (f figures) median(name string) float64 {
	values := slices.Sorted(slices.Values(f[name]))
	if len(values) == 0 {
		return 0
	}
	return values[len(values)/2]
}

func run(ctx context.Context, o *options) error {
	dir, err := os.MkdirTemp(o.dir, "ringo-storage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ringo, err := harness.Build(ctx, dir)
	if err != nil {
		return err
	}
	program, err := build(ctx, ringo, dir)
	if err != nil {
		return err
	}
	process, machine := figures{}, figures{}
	for n := range o.runs {
		for _, phase := range []string{"write", "read"} {
			if err := measureProcess(ctx, program, dir, phase, process); err != nil {
				return fmt.Errorf("process: %w", err)
			}
		}
		if err := measureMachine(ctx, ringo, program, dir, o, machine); err != nil {
			return fmt.Errorf("machine: %w", err)
		}
		log.Printf("run %d of %d", n+1, o.runs)
	}
	fmt.Println("| | machine | process | machine / process |\n|---|---|---|---|")
	for _, r := range rows {
		m, p := machine.median(r.name), process.median(r.name)
		fmt.Printf("| %s | %.0f | %.0f | %.2f |\n", r.title, m, p, m/p)
	}
	return nil
}

// build builds the program, which also runs as a process.
func build(ctx context.Context, r *harness.Ringo, dir string) (string, error) {
	file := filepath.Join(dir, "program.elf")
	cmd := r.Command(ctx, "build", "-o", file, ".")
	cmd.Dir = "tests/bench/storage/program"
	if _, err := os.Stat(cmd.Dir); err != nil {
		return "", fmt.Errorf("run this in the root of the module: %w", err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("ringo build: %w\n%s", err, out)
	}
	return file, nil
}

func measureProcess(ctx context.Context, program, dir, phase string, f figures) error {
	files := filepath.Join(dir, "files")
	if phase == "write" {
		if err := os.RemoveAll(files); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(files, 0o700); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, program, files, phase).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return f.add(string(out))
}

func measureMachine(ctx context.Context, r *harness.Ringo, program, dir string, o *options, f figures) error {
	name := filepath.Join(dir, "disk.img")
	if err := makeVolume(name, o.fresh); err != nil {
		return err
	}
	disk := name + ":/data"
	if o.direct {
		disk += ":direct"
	}
	defer os.Remove(name)
	for _, phase := range []string{"write", "read"} {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		result, err := r.Run(ctx, "-m", "512M", "--net", "none", "--disk", disk, program, "--", "/data", phase)
		if err != nil || result.Status != 0 {
			return fmt.Errorf("status %d, %w\n%s", result.Status, err, result.Output)
		}
		if err := f.add(result.Output); err != nil {
			return err
		}
	}
	return nil
}

// makeVolume makes a volume of 1 GiB in a file, which is full of zeroes or (fresh)
// of holes.
func makeVolume(name string, fresh bool) error {
	const size, step = 1 << 30, 1 << 20
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	zeroes := make([]byte, step)
	for at := 0; at < size && !fresh && err == nil; at += step {
		_, err = file.Write(zeroes)
	}
	if err == nil {
		err = file.Truncate(size)
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return err
	}
	return volumes.Create(name, 0)
}
