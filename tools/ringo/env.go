package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
			if bin := filepath.Dir(t.Go.Command); t.Go.Moved() {
				env = append(env, "PATH="+prepend(bin, os.Getenv("PATH")))
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

// prepend puts a directory at the beginning of a search path, once.
func prepend(dir, path string) string {
	list := []string{dir}
	for _, d := range filepath.SplitList(path) {
		if d != dir {
			list = append(list, d)
		}
	}
	return strings.Join(list, string(filepath.ListSeparator))
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
