package overlay

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
)

// Rule changes one source file.
type Rule struct {
	// File is the import path of a package, a slash, and the name of one of
	// its files: "runtime/sys_linux_amd64.s". Outside the standard library the
	// name may be a pattern, as of path.Match: the rule is then for each file.
	File string
	// As is where the changed file goes, if it does not replace File. Then it
	// is File as the Go release has it that is changed.
	As string
	// Match is a regular expression that is searched for in the file as the
	// rules before this one left it. It has (?m) where ^ and $ mean lines.
	Match string
	// Replace is put in the place of each match, with $1 as in
	// regexp.Regexp.ReplaceAll.
	Replace string
	// Count is how often Match must match. More and less are errors.
	Count int
	// Counts holds the counts of releases that differ, by name ("go1.27").
	Counts map[string]int
	// Why says what the rule is for. It is part of error messages.
	Why string
}

// apply returns data as the rule changes it.
func (r *Rule) apply(data []byte, release string) ([]byte, error) {
	want, ok := r.Counts[release]
	if !ok {
		want = r.Count
	}
	match, err := regexp.Compile(r.Match)
	if err != nil {
		return nil, fmt.Errorf("the rule for %s (to %s): %w", r.File, r.Why, err)
	}
	if got := len(match.FindAllIndex(data, -1)); got != want {
		return nil, fmt.Errorf("the rule %q (to %s) matches %d times in %s of %s, and must match %d times; this version of ringo does not know this release",
			r.Match, r.Why, got, r.File, release, want)
	}
	return match.ReplaceAll(data, []byte(r.Replace)), nil
}

// isFor reports whether the rule changes a file that is not of the standard library.
func (r *Rule) isFor(name string) bool {
	ok, err := path.Match(r.File, name)
	return ok && err == nil // a pattern that is none is for no file, which is an error elsewhere
}

// target returns the file that the rule makes.
func (r *Rule) target() string {
	if r.As != "" {
		return r.As
	}
	return r.File
}

// patch applies those rules that are for the standard library in src, and
// returns the changed files by their path in src.
func patch(src fs.FS, rules []Rule, release string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	for i := range rules {
		r := &rules[i]
		if !isStandard(path.Dir(r.File)) {
			continue
		}
		data, ok := files[r.target()]
		if !ok {
			var err error
			if data, err = fs.ReadFile(src, r.File); err != nil {
				return nil, fmt.Errorf("the rule to %s: %w", r.Why, err)
			}
		}
		data, err := r.apply(data, release)
		if err != nil {
			return nil, err
		}
		files[r.target()] = data
	}
	return files, nil
}
