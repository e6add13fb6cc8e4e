package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/boot/image"
	"ringo.dev/ringo/netstack/config"
	"ringo.dev/ringo/netstack/userdata"
	"ringo.dev/ringo/rt/line"
)

// imageFlags are the flags of ringo image.
type imageFlags struct {
	format   string
	file     string
	files    list
	env      list
	settings list
	userData string
}

func imageCommand() *cobra.Command {
	var f imageFlags
	cmd := &cobra.Command{
		Use:   "image [flags] PKG|ELF [-- ARGS...]",
		Short: "Make a disk or a CD that boots a program",
		Long: "Image builds a Go package, or takes a file that ringo build made, and makes an\n" +
			"image that boots it by itself. The program gets the arguments and the\n" +
			"environment that are given here, unless it is told others when it boots.",
		Example: "  ringo image -o web.iso ./examples/web\n" +
			"  ringo image -f qcow2 -e TZ=UTC -o web.qcow2 ./examples/web -- -http :80",
		RunE: func(cmd *cobra.Command, args []string) error {
			return makeImage(cmd.Context(), &f, args, cmd.ArgsLenAtDash())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&f.format, "format", "f", "", "`FORMAT` of the image: "+strings.Join(image.Formats(), ", ")+"; as FILE's name ends, or iso, if not given")
	flags.StringVarP(&f.file, "output", "o", "", "`FILE` to write, or - for standard output; the program's name and the format if not given")
	flags.Var(&f.files, "files", filesUsage)
	flags.VarP(&f.env, "env", "e", "environment variable `K=V`, or K for its value here; repeatable")
	flags.Var(&f.settings, "set", "boot configuration `KEY=VALUE`, such as net.ip=10.0.0.2/24; repeatable")
	flags.StringVar(&f.userData, "user-data", "", "when it boots, ask the cloud for arguments and environment: `SOURCE` is auto (if not given), a cloud's name, or a URL")
	flags.Lookup("user-data").NoOptDefVal = "auto"
	return cmd
}

// makeImage makes an image of what args name. dash is how many of them are
// before a "--", or -1.
func makeImage(ctx context.Context, f *imageFlags, args []string, dash int) error {
	if dash < 0 {
		dash = len(args)
	}
	if dash != 1 {
		return errors.New("name one package or file to make an image of, and the program's arguments after --; see ringo image --help")
	}
	if f.format == "" {
		f.format = formatOf(f.file)
	}
	format, err := image.ParseFormat(f.format)
	if err != nil {
		return fmt.Errorf("-f: %w", err)
	}
	// Without -trimpath the program would hold the name of the directory that it was
	// built in, and an image made elsewhere would differ.
	executable, err := executable(ctx, args[0], f.files, "-trimpath")
	if err != nil {
		return err
	}
	args[0] = filepath.Base(executable)
	line, err := f.line(args)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(executable)
	if err != nil {
		return err
	}
	program, err := boot.ReadProgram(data)
	if err != nil {
		return fmt.Errorf("%s: %w", executable, err)
	}
	if f.asks() && !bytes.Contains(data, []byte(userDataFunction)) {
		return fmt.Errorf("--user-data: %s has no network to ask by, since it does not use package net; leave user data out, or import net", args[0])
	}
	program.Line = line
	if f.file == "" {
		name := args[0]
		f.file = strings.TrimSuffix(name, filepath.Ext(name)) + "." + f.format
	}
	if sameFile(f.file, executable) {
		return fmt.Errorf("-o %s: that is the program itself; name another file", f.file)
	}
	contents, err := format.Make(program)
	switch {
	case err != nil:
		return err
	case f.file == "-" && isTerminal(os.Stdout):
		return errors.New("-o -: standard output is a terminal; send it to a file or a pipe")
	case f.file == "-":
		_, err := contents.WriteTo(os.Stdout)
		return err
	}
	return contents.WriteFile(f.file)
}

// sameFile reports whether two names are those of one file that exists.
func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// formatOf returns the format of an image that is to have a name.
func formatOf(file string) string {
	ending := strings.TrimPrefix(filepath.Ext(file), ".")
	switch {
	case slices.Contains(image.Formats(), ending):
		return ending
	case ending == "img":
		return "raw"
	}
	return "iso"
}

// userDataFunction is the function that asks for user data, as its name is in the
// program's table of functions, also if there are no symbols, if it has a network.
const userDataFunction = "\x00internal/ringo/netstack.UserData\x00"

// asks reports whether the image is to ask for user data.
func (f *imageFlags) asks() bool {
	return f.userData != "" || slices.ContainsFunc(f.settings, func(s string) bool { return strings.HasPrefix(s, "user-data=") })
}

// line returns the image's command line, for a program with arguments args, the
// first of which is its name.
func (f *imageFlags) line(args []string) (string, error) {
	words := []string{"ringo.program=" + args[0]}
	for _, s := range f.settings {
		key, value, ok := strings.Cut(s, "=")
		if key == "" || !ok {
			return "", fmt.Errorf("--set %s: want KEY=VALUE", s)
		}
		if !line.Known(key) {
			return "", fmt.Errorf("--set %s: there is no setting %s; see docs/hypervisors.md", s, key)
		}
		if err := checkSetting(key, value); err != nil {
			return "", fmt.Errorf("--set %w", err)
		}
		words = append(words, "ringo."+s)
	}
	if f.userData != "" {
		setting := "user-data=" + f.userData
		if _, err := userdata.ParseConfig(setting); err != nil {
			return "", fmt.Errorf("--%w", err)
		}
		words = append(words, "ringo."+setting)
	}
	env, err := environment(f.env)
	if err != nil {
		return "", err
	}
	for _, e := range env {
		words = append(words, "ringo.env."+e)
	}
	return boot.JoinLine(append(words, args[1:]...))
}

// checkSetting looks at the value of a setting that is known, as the guest will.
func checkSetting(key, value string) error {
	setting := key + "=" + value
	if problem := line.Problem(key, value); problem != "" {
		return fmt.Errorf("%s: %s", setting, problem)
	}
	if _, err := config.Parse(setting); err != nil {
		return err
	}
	if _, err := userdata.ParseConfig(setting); err != nil {
		return err
	}
	return nil
}
