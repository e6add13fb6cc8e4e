package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"ringo.dev/ringo/tools/target"
)

func buildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "build [-o FILE] [--files DIR:/path] [go build flags] PKG",
		Short: "Build a program that boots, and still runs as a Linux process",
		Long: "Build builds a program as go build does. The file that it makes boots under\n" +
			"ringo run, and runs as a Linux process when it is executed. All flags are those\n" +
			"of go build, except for -overlay and -toolexec, which ringo itself uses, and\n" +
			"for --files, which packs a directory into the program, read-only; it can be\n" +
			"given more than once.",
		DisableFlagParsing:    true,
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help") {
				return cmd.Help()
			}
			return build(cmd.Context(), args)
		},
	}
}

// build runs go build for guests, with its arguments args.
func build(ctx context.Context, args []string) error {
	dirs, args := target.CutFlag(args, "files")
	mounts, err := parseMounts(dirs)
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	t, err := target.New(ctx, target.Dir(args), exe)
	if err != nil {
		return err
	}
	return t.Build(ctx, args, mounts)
}
