package main

import (
	"os"

	"github.com/spf13/cobra"
	"ringo.dev/ringo/tools/target"
)

func buildCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "build [-o FILE] [go build flags] PKG",
		Short:              "Build a program that boots, and still runs as a Linux process",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && (args[0] == "-h" || args[0] == "--help") {
				return cmd.Help()
			}
			t, err := target.New(cmd.Context(), ".")
			if err != nil {
				return err
			}
			build := t.Command(cmd.Context(), "build", args...)
			build.Stdout, build.Stderr = os.Stdout, os.Stderr
			return build.Run()
		},
	}
}
