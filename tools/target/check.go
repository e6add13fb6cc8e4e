package target

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Dir returns the directory that go build works in, given its arguments.
func Dir(args []string) string {
	dir, _, _ := cutDir(args)
	return dir
}

// cutDir splits the arguments of a go build into the flag -C, which must come
// first, and the others. dir is "." without that flag.
func cutDir(args []string) (dir string, flag, rest []string) {
	if len(args) == 0 {
		return ".", nil, nil
	}
	name, value, ok := strings.Cut(args[0], "=")
	switch {
	case name != "-C" && name != "--C":
		return ".", nil, args
	case ok:
		return value, args[:1], args[1:]
	case len(args) > 1:
		return args[1], args[:2], args[2:]
	}
	return ".", args, nil
}

// check looks at the arguments of a go build for what cannot become a guest,
// and returns an error that says what to do about it. What it does not find out
// is left to the go command.
func (t *Target) check(ctx context.Context, args []string) error {
	for _, arg := range args {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if strings.HasPrefix(arg, "-") && (name == "overlay" || name == "toolexec") {
			return fmt.Errorf("-%s cannot be given: ringo uses that flag of go build itself", name)
		}
	}
	out, err := t.list(ctx, args, []string{"-e", "-f", "{{.Name}}\t{{.ImportPath}}\t{{if .Error}}error{{end}}"})
	if err != nil {
		return nil
	}
	var libraries []string
	for line := range strings.Lines(out) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case len(field) != 3:
			return nil
		case field[2] != "":
			return t.usesCgo(ctx, args)
		case field[0] == "main":
			return nil
		}
		libraries = append(libraries, field[1])
	}
	if len(libraries) == 0 {
		return nil
	}
	return fmt.Errorf("%s is not a program; name a package whose clause is package main", strings.Join(libraries, ", "))
}

// usesCgo returns an error if the packages, or what they import, use cgo.
func (t *Target) usesCgo(ctx context.Context, args []string) error {
	out, err := t.list(ctx, args, []string{"-e", "-deps", "-f", "{{if and .CgoFiles (not .Standard)}}{{.ImportPath}}{{end}}"}, "CGO_ENABLED=1")
	if err != nil {
		return nil
	}
	pkgs := strings.Fields(out)
	if len(pkgs) == 0 {
		return nil
	}
	return fmt.Errorf("%s uses cgo, and a guest has no C library; use a package in pure Go in its place", strings.Join(pkgs, ", "))
}

// list runs go list on the packages of a go build, and returns what it prints.
func (t *Target) list(ctx context.Context, args, flags []string, env ...string) (string, error) {
	_, dir, args := cutDir(withoutOutput(args))
	cmd, err := t.Command(ctx, slices.Concat([]string{"list"}, dir, flags, args)...)
	if err != nil {
		return "", err
	}
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.Output()
	return string(out), err
}

// withoutOutput removes the flag -o, which go list does not have.
func withoutOutput(args []string) []string {
	var rest []string
	for i := 0; i < len(args); i++ {
		switch arg := args[i]; {
		case arg == "-o" || arg == "--o":
			i++
		case strings.HasPrefix(arg, "-o=") || strings.HasPrefix(arg, "--o="):
		default:
			rest = append(rest, arg)
		}
	}
	return rest
}
