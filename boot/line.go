package boot

import (
	"errors"
	"strings"
)

// JoinLine makes a command line of words, as package rt/line takes it apart: see
// docs/hypervisors.md.
func JoinLine(words []string) (string, error) {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w) + `"`
	}
	line := strings.Join(quoted, " ")
	if strings.ContainsAny(line, "\n\x00") {
		return "", errors.New("the command line cannot hold line breaks and zeros, which are among the arguments or the environment")
	}
	return line, nil
}
