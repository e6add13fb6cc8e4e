package procfs

import "strconv"

// text builds the content of a file.
type text []byte

// add appends strings and numbers.
func (t *text) add(parts ...any) *text {
	for _, p := range parts {
		switch v := p.(type) {
		case string:
			*t = append(*t, v...)
		case int:
			*t = strconv.AppendInt(*t, int64(v), 10)
		case int64:
			*t = strconv.AppendInt(*t, v, 10)
		case uint64:
			*t = strconv.AppendUint(*t, v, 10)
		}
	}
	return t
}

// right appends v in a column of the given width.
func (t *text) right(v uint64, width int) *text {
	s := strconv.FormatUint(v, 10)
	for range width - len(s) {
		*t = append(*t, ' ')
	}
	*t = append(*t, s...)
	return t
}

// hex appends v in hexadecimal with at least width digits.
func (t *text) hex(v uint64, width int) *text {
	s := strconv.FormatUint(v, 16)
	for range width - len(s) {
		*t = append(*t, '0')
	}
	*t = append(*t, s...)
	return t
}

// hundredths appends a duration in nanoseconds as seconds with two decimals.
func (t *text) hundredths(ns int64) *text {
	t.add(ns/1e9, ".")
	if c := ns / 1e7 % 100; c < 10 {
		t.add("0", c)
	} else {
		t.add(c)
	}
	return t
}

// literal returns a content that never changes.
func literal(s string) func() []byte { return func() []byte { return []byte(s) } }
