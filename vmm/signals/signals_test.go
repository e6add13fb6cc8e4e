package signals

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"
)

func raise(t *testing.T, list ...syscall.Signal) {
	t.Helper()
	for _, sig := range list {
		if err := syscall.Kill(os.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCatch catches signals that package os/signal gets before and afterwards.
func TestCatch(t *testing.T) {
	outside := make(chan os.Signal, 1)
	signal.Notify(outside, syscall.SIGUSR1)
	defer signal.Stop(outside)
	for range 2 {
		c, err := Catch(syscall.SIGUSR1, syscall.SIGUSR2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Catch(syscall.SIGHUP); err == nil {
			t.Error("a second Catcher was made")
		}
		want := []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2}
		raise(t, want...)
		var got []syscall.Signal
		for len(got) < len(want) {
			got = append(got, c.Next()...)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}

		ended := make(chan []syscall.Signal)
		go func() { ended <- c.Next() }()
		select {
		case got := <-ended:
			t.Errorf("%v without a signal", got)
		case <-time.After(10 * time.Millisecond):
		}
		c.Stop()
		c.Stop()
		if got := <-ended; len(got) != 0 {
			t.Errorf("%v after Stop", got)
		}
		if len(outside) != 0 {
			t.Errorf("%v came to os/signal, too", <-outside)
		}
		raise(t, syscall.SIGUSR1)
		if got := <-outside; got != syscall.SIGUSR1 {
			t.Errorf("%v, want SIGUSR1", got)
		}
	}
}

func TestCatchErrors(t *testing.T) {
	for range 2 { // after an error, another one is possible
		if _, err := Catch(syscall.SIGUSR1, syscall.SIGKILL); err == nil {
			t.Error("SIGKILL is caught")
		}
	}
}
