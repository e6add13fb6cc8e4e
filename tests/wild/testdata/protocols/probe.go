package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/miekg/dns"
	"github.com/quic-go/quic-go/http3"
	gossh "golang.org/x/crypto/ssh"
)

// probes ask a server by each protocol.
var probes = map[string]func(addr string) error{
	"ssh": probeSSH, "smtp": probeSMTP, "ldap": probeLDAP, "redis": probeRedis, "dns": probeDNS, "http3": probeHTTP3,
}

// probe asks the servers that args name, as NAME=ADDRESS.
func probe(args []string) error {
	var errs []error
	for _, arg := range args {
		name, addr, _ := strings.Cut(arg, "=")
		f := probes[name]
		if f == nil {
			return fmt.Errorf("there is no probe of %q", name)
		}
		for range 20 {
			if err := f(addr); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
				break
			}
		}
	}
	return errors.Join(errs...)
}

// equal compares an answer with what it must be.
func equal(got, want string) error {
	if got != want {
		return fmt.Errorf("the answer is %q, not %q", got, want)
	}
	return nil
}

func probeSSH(addr string) error {
	c, err := gossh.Dial("tcp", addr, &gossh.ClientConfig{
		User: "gopher", HostKeyCallback: gossh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.NewSession()
	if err != nil {
		return err
	}
	out, err := s.Output("uname -a")
	if err != nil {
		return err
	}
	return equal(string(out), "hello gopher, you said [\"uname\" \"-a\"]\n")
}

func probeSMTP(addr string) error {
	return smtp.SendMail(addr, nil, "a@example.org", []string{"b@example.org"}, []byte(strings.Repeat("a line\r\n", 10_000)))
}

func probeLDAP(addr string) error {
	c, err := ldap.DialURL("ldap://" + addr)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Bind("cn=gopher", "secret")
}

func probeRedis(addr string) error {
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprint(c, "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")
	r := bufio.NewReader(c)
	for _, want := range []string{"+OK\r\n", "$5\r\n", "value\r\n"} {
		got, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if err := equal(got, want); err != nil {
			return err
		}
	}
	return nil
}

func probeDNS(addr string) error {
	m := new(dns.Msg)
	m.SetQuestion("ringo.example.", dns.TypeA)
	r, err := dns.Exchange(m, addr)
	if err != nil {
		return err
	}
	if len(r.Answer) != 1 {
		return fmt.Errorf("the answer is %v", r)
	}
	return equal(r.Answer[0].(*dns.A).A.String(), "192.0.2.7")
}

func probeHTTP3(addr string) error {
	t := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer t.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr+"/", nil)
	if err != nil {
		return err
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	return equal(string(b), "HTTP/3.0")
}
