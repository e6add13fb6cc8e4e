package block

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// slow is a disk on which everything takes a second.
type slow struct{ Device }

func (slow) ReadAt([]byte, int64) error  { time.Sleep(time.Second); return nil }
func (slow) WriteAt([]byte, int64) error { time.Sleep(time.Second); return ErrBeyond }
func (slow) Flush() error                { time.Sleep(time.Second); return nil }
func (slow) Discard(int64, int64) error  { time.Sleep(time.Second); return nil }

func (slow) Zero(_, _ int64, discard bool) error {
	if time.Sleep(time.Second); discard {
		return errors.ErrUnsupported
	}
	return nil
}

// TestMeter counts requests of all kinds, one after the other and beside another.
func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMeter(slow{})
		start := time.Now()
		if err := m.ReadAll([]Transfer{{make([]byte, 512), 0}, {make([]byte, 1024), 512}}); err != nil {
			t.Error(err)
		}
		if err := m.WriteAt(make([]byte, 512), 0); err != ErrBeyond {
			t.Error(err)
		}
		if err := m.WriteAll(nil, true); err != nil {
			t.Error(err)
		}
		if err := m.Discard(0, 4096); err != nil {
			t.Error(err)
		}
		if err := m.Zero(0, 2048, false); err != nil {
			t.Error(err)
		}
		if err := m.Zero(0, 2048, true); err != errors.ErrUnsupported {
			t.Error(err)
		}
		time.Sleep(time.Hour) // of rest
		go m.ReadAt(make([]byte, 512), 0)
		time.Sleep(time.Second / 2)
		go m.Flush()
		time.Sleep(time.Second / 4)
		got := m.Counters()
		const s = time.Second
		want := Counters{
			Reads: Count{2, 1536, 4 * s}, Writes: Count{2, 2560, 2 * s}, Discards: Count{1, 4096, s}, Flushes: Count{1, 0, s},
			Pending: 2, Busy: 7*s + s*3/4, Waited: 4*s + 5*s + s,
		}
		if got != want {
			t.Errorf("after %v: %+v, want %+v", time.Since(start), got, want)
		}
		time.Sleep(time.Hour)
		want.Reads, want.Flushes = Count{3, 2048, 5 * s}, Count{2, 0, 2 * s}
		want.Pending, want.Busy, want.Waited = 0, 7*s+s*3/2, 11*s
		if got := m.Counters(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}
