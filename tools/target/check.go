package target

import (
	"context"
	"fmt"
	"path/filepath"
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

// program is the package that a go build makes a program of.
type program struct {
	dir  string // of its source
	name string // of the file that go build makes, if it is not told another
}

const (
	ourFlag  = "ringo uses that flag of the go command itself"
	needsCgo = "it needs cgo, and a guest has no C library; give it to go build, and run the program as a process"
)

// refused are flags of go build, and why no guest can be built with them.
var refused = map[string]string{
	"overlay": ourFlag + "; name changed packages in replace directives of go.mod", "toolexec": ourFlag,
	"asan": needsCgo, "msan": needsCgo, "race": needsCgo,
}

// refuse returns an error if there is such a flag among the arguments of a go command.
func refuse(args []string) error {
	for _, arg := range args {
		name, value, isSet := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if why := refused[name]; strings.HasPrefix(arg, "-") && why != "" && !(isSet && value == "false") {
			return fmt.Errorf("-%s cannot be given: %s", name, why)
		}
	}
	return nil
}

// check looks at the arguments of a go build for what cannot become a guest,
// and returns an error that says what to do about it. What it does not find out
// is left to the go command. It returns the programs, as far as it knows them.
func (t *Target) check(ctx context.Context, args []string) ([]program, error) {
	if err := refuse(args); err != nil {
		return nil, err
	}
	out, err := t.list(ctx, args, []string{"-e", "-find", "-f", "{{.Name}}\t{{.ImportPath}}\t{{.Dir}}\t{{.Target}}\t{{if .Error}}error{{end}}"})
	if err != nil {
		return nil, nil
	}
	var programs []program
	var libraries []string
	for line := range strings.Lines(out) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case len(field) != 5:
			return nil, nil
		case field[4] != "":
			if name, _, ok := strings.Cut(field[1], "@"); ok && field[2] == "" {
				return nil, fmt.Errorf("%s: ringo builds packages in the versions that a go.mod names; say go get %s in a module of yours, and then %s here", field[1], field[1], name)
			}
			return nil, t.usesCgo(ctx, args)
		case field[0] == "main":
			programs = append(programs, program{field[2], filepath.Base(field[3])})
			continue
		}
		libraries = append(libraries, field[1])
	}
	if len(programs) > 0 || len(libraries) == 0 {
		return programs, nil
	}
	return nil, fmt.Errorf("%s is not a program; name a package whose clause is package main", strings.Join(libraries, ", "))
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
	_, rest := CutFlag(args, "o")
	return rest
}

// CutFlag splits the values of a flag off the arguments of a go build.
func CutFlag(args []string, name string) (values, rest []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		flag, value, ok := strings.Cut(arg, "=")
		switch {
		case flag != "-"+name && flag != "--"+name:
			rest = append(rest, arg)
			continue
		case !ok && i+1 < len(args):
			i++
			value = args[i]
		}
		values = append(values, value)
	}
	return values, rest
}
