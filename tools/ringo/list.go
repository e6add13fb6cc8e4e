package main

import "github.com/spf13/pflag"

// list is the value of a flag that can be given more than once. (That of package pflag
// makes a writer of comma-separated values for each such flag, to tell its default.)
type list []string

var _ pflag.Value = new(list)

// String implements pflag.Value. It is asked for the default, which is to be empty.
func (l *list) String() string { return "" }

// Set adds a value.
func (l *list) Set(text string) error {
	*l = append(*l, text)
	return nil
}

// Type names the value in help texts, where the flag's own text does not.
func (l *list) Type() string { return "VALUE" }
