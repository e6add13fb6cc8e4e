package machine

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// output is where the program's console is written to. The program does not learn
// that this fails, so the user is told, once.
type output struct {
	w    io.Writer
	told sync.Once
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil {
		o.told.Do(func() { fmt.Fprintln(os.Stderr, "ringo: the program's output is lost:", err) })
	}
	return n, err
}
