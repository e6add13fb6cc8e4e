package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"ringo.dev/ringo/tests/guests/check"
)

func localhost() error {
	addrs, err := net.LookupHost("localhost")
	if err != nil {
		return err
	}
	if !slices.Contains(addrs, "127.0.0.1") {
		return fmt.Errorf("localhost is %v", addrs)
	}
	return nil
}

func roots() error {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return err
	}
	if pool.Equal(x509.NewCertPool()) {
		return errors.New("there are no root certificates")
	}
	return nil
}

// dial reaches the host's echo service at the address in a variable of the
// environment.
func dial(variable string) func() error {
	return func() error {
		c, err := net.DialTimeout("tcp", os.Getenv(variable), patience)
		// A router's advertisement, with the way to other networks, may take seconds.
		for start := time.Now(); errors.Is(err, syscall.ENETUNREACH) && time.Since(start) < patience; {
			time.Sleep(100 * time.Millisecond)
			c, err = net.DialTimeout("tcp", os.Getenv(variable), patience)
		}
		if err != nil {
			return err
		}
		defer c.Close()
		for n := 1; n < 100_000; n *= 10 {
			if err := exchange(c, strings.Repeat("x", n)); err != nil {
				return err
			}
		}
		return nil
	}
}

// fetch gets the page at URL, which says "hello".
func fetch() error {
	client := http.Client{Timeout: patience}
	for range 20 {
		resp, err := client.Get(os.Getenv("URL"))
		if err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if err := check.Equal("page", string(b), "hello"); err != nil {
			return err
		}
		client.CloseIdleConnections()
	}
	return nil
}

func noSuchHost() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := net.DefaultResolver.LookupHost(ctx, "no-such-host.invalid")
	var e *net.DNSError
	if !errors.As(err, &e) {
		return fmt.Errorf("look-up: %v", err)
	}
	return nil
}

// unreachable dials an address of a network that nobody has.
func unreachable() error {
	start := time.Now()
	c, err := net.DialTimeout("tcp", "192.0.2.1:80", 500*time.Millisecond)
	if err == nil {
		c.Close()
		return errors.New("connected")
	}
	if took := time.Since(start); took > 5*time.Second {
		return fmt.Errorf("a time-out of 500ms took %v", took)
	}
	return nil
}
