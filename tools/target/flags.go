package target

import (
	"fmt"
	"strings"
)

// splitFlags splits the value of GOFLAGS as the go command does: at white
// space, except within single or double quotes at the beginning of a field.
func splitFlags(s string) ([]string, error) {
	var fields []string
	for s = strings.TrimLeft(s, " \t\r\n"); s != ""; s = strings.TrimLeft(s, " \t\r\n") {
		var field string
		if q := s[0]; q == '\'' || q == '"' {
			end := strings.IndexByte(s[1:], q)
			if end < 0 {
				return nil, fmt.Errorf("GOFLAGS: unterminated %c", q)
			}
			field, s = s[1:1+end], s[end+2:]
		} else {
			end := strings.IndexAny(s, " \t\r\n")
			if end < 0 {
				end = len(s)
			}
			field, s = s[:end], s[end:]
		}
		fields = append(fields, field)
	}
	return fields, nil
}

// joinFlags is the reverse of splitFlags. It is also the form of -toolexec.
func joinFlags(fields []string) (string, error) {
	quoted := make([]string, len(fields))
	for i, f := range fields {
		switch {
		case !strings.ContainsAny(f, " \t\r\n'\"") && f != "":
			quoted[i] = f
		case !strings.Contains(f, "'"):
			quoted[i] = "'" + f + "'"
		case !strings.Contains(f, `"`):
			quoted[i] = `"` + f + `"`
		default:
			return "", fmt.Errorf("the go command cannot be given %q, which has quotes of both kinds", f)
		}
	}
	return strings.Join(quoted, " "), nil
}
