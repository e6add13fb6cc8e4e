package xen

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestStore(t *testing.T) {
	f, s := startStore(t, map[string]string{"device/vif/0": "", "device/vif/12": "", "name": "web", "number": "42", "word": "x"})
	if v, err := s.read("name"); v != "web" || err != nil {
		t.Errorf("read: %q, %v", v, err)
	}
	if _, err := s.read("missing"); !errors.Is(err, storeMissing) {
		t.Errorf("read of a node that does not exist: %v", err)
	}
	if n, err := s.readInt("number", 1); n != 42 || err != nil {
		t.Errorf("readInt: %d, %v", n, err)
	}
	if n, err := s.readInt("missing", 7); n != 7 || err != nil {
		t.Errorf("readInt of a node that does not exist: %d, %v", n, err)
	}
	if _, err := s.readInt("word", 7); !errors.Is(err, ErrBackend) {
		t.Errorf("readInt of a word: %v", err)
	}
	names, err := s.list("device/vif")
	if slices.Sort(names); !slices.Equal(names, []string{"0", "12"}) || err != nil {
		t.Errorf("list: %q, %v", names, err)
	}
	if err := s.write("new", "value"); err != nil || f.node("new") != "value" {
		t.Errorf("write: %q, %v", f.node("new"), err)
	}
}

// TestStoreLong sends and receives more than the rings hold, so often that they
// wrap at every place.
func TestStoreLong(t *testing.T) {
	_, s := startStore(t, map[string]string{})
	for n := 0; n < storeMost-len("path\x00"); n += 101 {
		want := strings.Repeat("abcdefg", n/7)
		if err := s.write("path", want); err != nil {
			t.Fatal(err)
		}
		if got, err := s.read("path"); got != want || err != nil {
			t.Fatalf("%d bytes came back, %d were written, %v", len(got), len(want), err)
		}
	}
	if err := s.write("path", strings.Repeat("x", storeMost)); err == nil {
		t.Error("a message that is too long was sent")
	}
}

func TestStoreAwait(t *testing.T) {
	f, s := startStore(t, map[string]string{"state": "1"})
	time.AfterFunc(20*time.Millisecond, func() { f.set("state", "4") })
	if err := s.await("state", 10*time.Second, 2, 4); err != nil {
		t.Error(err)
	}
	if err := s.await("state", 10*time.Millisecond, 5); !errors.Is(err, ErrBackend) {
		t.Errorf("a state that never comes: %v", err)
	}
}

// TestControl has the keeper wish nothing, and then the domain's end.
func TestControl(t *testing.T) {
	f, s := startStore(t, map[string]string{})
	emptied := make(chan bool, 1)
	f.changed = func(path string) { emptied <- path == controlNode && f.node(path) == "" }
	ended := make(chan bool, 1)
	go serveControl(s, func() { ended <- true })
	time.Sleep(10 * time.Millisecond)
	f.set(controlNode, "poweroff")
	f.put(encode(storeHeader{Type: storeEvent}))
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the program was not ended")
	}
	if !<-emptied {
		t.Error("the node was not emptied")
	}
	// Lets the goroutine end.
	atomic.StoreUint32(&f.responsePut, f.responsePut+2*storeRing)
}

// TestStoreBroken has the other side break the protocol in several ways.
func TestStoreBroken(t *testing.T) {
	for name, spoil := range map[string]func(*storePage){
		"response index": func(m *storePage) { m.responsePut = storeRing + 1 },
		"request index":  func(m *storePage) { m.requestGot = 1 },
		"length": func(m *storePage) {
			m.responsePut = uint32(copy(m.response[:], encode(storeHeader{Type: storeRead, ID: 1, Length: 1 << 31})))
		},
		"another's answer": func(m *storePage) {
			m.responsePut = uint32(copy(m.response[:], encode(storeHeader{Type: storeRead, ID: 2})))
		},
		"another kind": func(m *storePage) {
			m.responsePut = uint32(copy(m.response[:], encode(storeHeader{Type: storeWrite, ID: 1})))
		},
	} {
		m := new(storePage)
		spoil(m)
		s := &store{mem: m, notify: func() {}}
		if _, err := s.read("path"); !errors.Is(err, ErrBackend) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzStore has the other side answer anything.
func FuzzStore(f *testing.F) {
	f.Add(append(encode(storeHeader{Type: storeRead, ID: 1, Length: 2}), "42"...), uint32(storeHeaderSize+2))
	f.Add(bytes.Repeat([]byte{1, 0, 0, 0}, 8), uint32(32))
	f.Add([]byte{}, uint32(storeRing+1))
	f.Fuzz(func(t *testing.T, content []byte, put uint32) {
		m := new(storePage)
		copy(m.response[:], content)
		m.responsePut = put
		s := &store{mem: m, notify: func() {}}
		// Whoever waits for more gets an error at last.
		end := time.AfterFunc(5*time.Millisecond, func() { atomic.StoreUint32(&m.responsePut, put+1<<31+1) })
		defer end.Stop()
		if n, err := s.readInt("path", 1); err == nil && n != 1 && !bytes.Contains(content, []byte(strconv.Itoa(n))) {
			t.Errorf("read %d", n)
		}
	})
}
