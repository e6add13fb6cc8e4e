// Package userdata asks a cloud for what it has for its machine: the "user data"
// that is said when a machine is made. Here it holds arguments and environment of
// the program. The boot configuration says whether to ask, and whom:
//
//	user-data=auto           disks, and all services that are known (sources.go)
//	user-data=ec2,gce        these, in this order
//	user-data=disk           only disks (disk.go)
//	user-data=http://10.0.0.1:8000/path   a server of one's own
//	user-data.wait=10        how many seconds to wait for it at most
//
// The data is text in the form of the command line (package rt/line) behind a
// first line "#ringo". Data of another kind is for others, and left alone.
//
// config.go reads the configuration, sources.go knows the services, client.go and
// response.go are as much of HTTP as they speak; disk.go looks for disks, volume.go
// reads them; text.go reads what they say. All of it uses nothing but system calls,
// since package net imports it in guests.
package userdata

import (
	"errors"
	"fmt"
	"time"
)

// ErrNone says that the service has no user data for the machine.
var ErrNone = errors.New("the machine has none")

// Fetch asks the configuration's sources for user data, until one has it, and no
// longer than c.Wait. It blocks, also for the machine's address.
func (c *Config) Fetch() (*Text, error) {
	found, err := fetchWithin(c.Wait, c.sources)
	if err != nil {
		return nil, err
	}
	t, err := parse(found.data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", found.from, err)
	}
	t.From = found.from
	return t, nil
}

// answer is user data, and the name of the source that it is from.
type answer struct {
	data []byte
	from string
}

// fetchWithin asks the sources for no longer than wait, whatever holds them up:
// a machine may wait for its address for longer than that.
func fetchWithin(wait time.Duration, sources []source) (answer, error) {
	type result struct {
		answer
		err error
	}
	done := make(chan result, 1)
	go func() {
		a, err := fetch(sources, time.Now().Add(wait))
		done <- result{a, err}
	}()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.answer, r.err
	case <-timer.C:
		return answer{}, fmt.Errorf("no answer within %v", wait)
	}
}

// pause is the time between two rounds of questions.
const pause = 200 * time.Millisecond

// fetch looks at the disks, and then asks one server after the other until one has
// user data. It asks again as long as no service answers, or one says that it cannot
// answer yet: the network and the service may just be starting.
func fetch(sources []source, deadline time.Time) (answer, error) {
	var servers []source
	for _, s := range sources {
		if s.server.IsValid() {
			servers = append(servers, s)
			continue
		}
		if data, err := fromDisks("/dev"); err != nil || len(data) > 0 {
			return answer{data, s.name}, err
		}
	}
	if len(servers) == 0 {
		return answer{}, ErrNone
	}
	for {
		a, again, err := ask(servers, deadline)
		if err == nil || !again {
			return a, err
		}
		if time.Until(deadline) < pause {
			return answer{}, fmt.Errorf("no answer in time: %w", err)
		}
		time.Sleep(pause)
	}
}

// ask is one round of questions to servers. again says whether another one makes sense.
func ask(sources []source, deadline time.Time) (a answer, again bool, err error) {
	var failed error // of a service that is there
	answered, err := false, error(nil)
	var deaf map[string]bool // servers that cannot be reached
	for i := range sources {
		s := &sources[i]
		server := s.server.String()
		if deaf[server] {
			continue
		}
		data, problem := s.get(deadline)
		status, isStatus := errors.AsType[statusError](problem)
		switch {
		case problem == nil && len(data) > 0:
			return answer{data, s.name}, false, nil
		case problem == nil, isStatus && !status.temporary():
			answered = true
		case isStatus:
			failed = fmt.Errorf("%s: %w", s.name, problem)
		default:
			if deaf == nil {
				deaf = map[string]bool{}
			}
			deaf[server] = true
			err = fmt.Errorf("%s: %w", s.name, problem)
		}
	}
	switch {
	case failed != nil:
		return a, true, failed
	case answered:
		return a, false, ErrNone
	}
	return a, true, err
}
