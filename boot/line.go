package boot

import (
	"errors"
	"fmt"
	"strings"
)

// MaxLine is the size in bytes of the longest command line that a guest reads
// (package rt/firmware).
const MaxLine = 4095

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
	if len(line) > MaxLine {
		return "", fmt.Errorf("the command line has %d bytes, and may have %d; put less into the arguments and the environment", len(line), MaxLine)
	}
	return line, nil
}
