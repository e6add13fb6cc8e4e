package main

import (
	"github.com/spf13/cobra"
	"ringo.dev/ringo/tools/doctor"
	"ringo.dev/ringo/tools/target"
)

func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can do, and what to install",
		Long: "Doctor says what this machine can do for ringo, and what to do about what it\n" +
			"lacks. Its exit status is 0 if ringo run works with its default flags.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			exe, err := target.Executable()
			if err != nil {
				return err
			}
			results := doctor.Run(cmd.Context(), exe)
			doctor.Print(cmd.OutOrStdout(), results)
			if !doctor.Ready(results) {
				return exitError(exitFatal)
			}
			return nil
		},
	}
}
