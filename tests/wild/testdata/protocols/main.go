// Command protocols serves SSH, SMTP, LDAP, Redis, DNS and
// HTTP/3 by the libraries that are usual for them. With the arguments "probe" and
// NAME=ADDRESS it is the client.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/emersion/go-smtp"
	"github.com/gliderlabs/ssh"
	"github.com/jimlambrt/gldap"
	"github.com/miekg/dns"
	"github.com/quic-go/quic-go/http3"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == "probe" {
		if err := probe(os.Args[2:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	for name, serve := range map[string]func() error{
		"ssh": serveSSH, "smtp": serveSMTP, "ldap": serveLDAP, "redis": serveRedis,
		"dns": serveDNS, "http3": serveHTTP3,
	} {
		go func() { log.Fatal(name, ": ", serve()) }()
	}
	select {}
}

func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func serveSSH() error {
	return ssh.ListenAndServe(":2222", func(s ssh.Session) {
		fmt.Fprintf(s, "hello %s, you said %q\n", s.User(), s.Command())
	})
}

type smtpBackend struct{}

func (smtpBackend) NewSession(*smtp.Conn) (smtp.Session, error) { return smtpSession{}, nil }

type smtpSession struct{}

func (smtpSession) Mail(string, *smtp.MailOptions) error { return nil }
func (smtpSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (smtpSession) Reset()                               {}
func (smtpSession) Logout() error                        { return nil }
func (smtpSession) Data(r io.Reader) error {
	n, err := io.Copy(io.Discard, r)
	log.Printf("mail of %d bytes", n)
	return err
}

func serveSMTP() error {
	s := smtp.NewServer(smtpBackend{})
	s.Addr, s.Domain = ":2525", "localhost"
	return s.ListenAndServe()
}

func serveLDAP() error {
	s, err := gldap.NewServer()
	if err != nil {
		return err
	}
	m, err := gldap.NewMux()
	if err != nil {
		return err
	}
	err = m.Bind(func(w *gldap.ResponseWriter, r *gldap.Request) {
		w.Write(r.NewBindResponse(gldap.WithResponseCode(gldap.ResultSuccess)))
	})
	if err != nil {
		return err
	}
	if err := s.Router(m); err != nil {
		return err
	}
	return s.Run(":3389")
}

func serveRedis() error {
	if err := miniredis.NewMiniRedis().StartAddr(":6379"); err != nil {
		return err
	}
	select {}
}

func serveDNS() error {
	dns.HandleFunc(".", func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(r)
		rr, err := dns.NewRR(r.Question[0].Name + " 60 IN A 192.0.2.7")
		if err == nil {
			m.Answer = append(m.Answer, rr)
		}
		w.WriteMsg(m)
	})
	return (&dns.Server{Addr: ":5353", Net: "udp"}).ListenAndServe()
}

func serveHTTP3() error {
	cert, err := certificate()
	if err != nil {
		return err
	}
	s := http3.Server{
		Addr:      ":4433",
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }),
		TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}}),
	}
	return s.ListenAndServe()
}
