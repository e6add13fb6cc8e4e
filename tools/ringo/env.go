package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"ringo.dev/ringo/tools/target"
)

func envCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "env [--json]",
		Short: "Print the environment in which the go command builds guests",
		Long: "Env prints environment variables as commands for a shell. With them, the plain go\n" +
			"command builds guests:\n\n\teval \"$(ringo env)\"; go build ./...",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			exe, err := target.Executable()
			if err != nil {
				return err
			}
			t, err := target.New(cmd.Context(), ".", exe)
			if err != nil {
				return err
			}
			env, err := t.Env()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), env)
			}
			printShell(cmd.OutOrStdout(), env)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// printShell prints variables for a POSIX shell to evaluate.
func printShell(w io.Writer, env []string) {
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		fmt.Fprintf(w, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
}

// printJSON prints variables as an object.
func printJSON(w io.Writer, env []string) error {
	vars := make(map[string]string)
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		vars[name] = value
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	return e.Encode(vars)
}
