package main

import (
	"maps"
	"strings"
	"testing"
)

func TestReadCalls(t *testing.T) {
	const log = `----------------
IN: 
0xffffff0c:  e8 83 0e                 callw    0xfd92
0x004a0b80:  49 3b 66 10              cmpq     0x10(%r14), %rsp
0x004a0b84:  e8 77 04 00 00           callq    0x4a1000

----------------
IN: 
0x004a1001:  e8 fa ff ff ff           callq    0x4a1000
0x004a1006:  ff d0                    callq    *%rax

----------------
IN: 
0x004a0b84:  e8 77 04 00 00           callq    0x4a1000
`
	got, err := readCalls(strings.NewReader(log))
	if err != nil {
		t.Fatal(err)
	}
	want := map[call]bool{{0x4a0b84, 0x4a1000}: true, {0x4a1001, 0x4a1000}: true}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if lone := loneCalls(got); len(lone) != 0 {
		t.Errorf("%v are called from one place", lone)
	}
}
