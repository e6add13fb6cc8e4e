package userdata

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// source is a server that answers with user data, and how it wants to be asked; or the
// machine's disks.
type source struct {
	name   string
	server netip.AddrPort // not valid: the disks
	path   string
	header string // a line of the request's head, or ""
	token  string // where a token comes from that the request has to hold, or ""
}

const portHTTP = 80

// services returns the disks, and the clouds' metadata services, at the address that they have
// agreed on, and at that which EC2 has for machines without IPv4. EC2's is imitated
// by many, such as OpenStack. It comes first, since the others do not know its path.
func services() []source {
	agreed := netip.AddrPortFrom(netip.AddrFrom4([4]byte{169, 254, 169, 254}), portHTTP)
	ec2 := source{name: "ec2", server: agreed, path: "/latest/user-data", token: "/latest/api/token"}
	ec2v6 := ec2
	ec2v6.server = netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0xfd, 2: 0x0e, 3: 0xc2, 14: 0x02, 15: 0x54}), portHTTP)
	return []source{
		{name: "disk"},
		ec2,
		{name: "gce", server: agreed, path: "/computeMetadata/v1/instance/attributes/user-data", header: "Metadata-Flavor: Google"},
		{name: "digitalocean", server: agreed, path: "/metadata/v1/user-data"},
		{name: "hetzner", server: agreed, path: "/hetzner/v1/userdata"},
		{name: "azure", server: agreed, path: "/metadata/instance/compute/userData?api-version=2021-01-01&format=text", header: "Metadata: true"},
		ec2v6,
	}
}

// statusError is an answer of a server without what it was asked for.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("the server answers with status %d", int(e)) }

// temporary reports whether the server may answer otherwise a little later.
func (e statusError) temporary() bool { return e >= 500 || e == tooManyRequests }

const (
	ok              = 200
	tooManyRequests = 429
)

// patience is how long one request may take.
const patience = 3 * time.Second

// get asks for the user data, until the deadline at the latest.
func (s *source) get(deadline time.Time) ([]byte, error) {
	header := s.header
	if s.token != "" {
		token, err := s.do("PUT", s.token, "X-aws-ec2-metadata-token-ttl-seconds: 60", deadline)
		status, isStatus := errors.AsType[statusError](err)
		switch {
		case err == nil && len(token) <= maxToken && printable(string(token)):
			header = "X-aws-ec2-metadata-token: " + string(token)
		case err == nil:
			return nil, errors.New("the server's token is not one")
		case isStatus && !status.temporary():
			// A service of the time before tokens.
		default:
			return nil, err
		}
	}
	return s.do("GET", s.path, header, deadline)
}

// maxToken is more than the tokens of EC2 have, some 60 bytes.
const maxToken = 4096

// do makes a request, and returns the body of an answer with status 200.
func (s *source) do(method, path, header string, deadline time.Time) ([]byte, error) {
	if end := time.Now().Add(patience); end.Before(deadline) {
		deadline = end
	}
	request := method + " " + path + " HTTP/1.1\r\nHost: " + s.host() + "\r\nUser-Agent: ringo\r\nConnection: close\r\n"
	if header != "" {
		request += header + "\r\n"
	}
	if method != "GET" {
		request += "Content-Length: 0\r\n"
	}
	r, err := exchange(s.server, request+"\r\n", deadline)
	if err != nil {
		return nil, err
	}
	if r.status != ok {
		return nil, statusError(r.status)
	}
	return r.body, nil
}

// host returns the server as a request names it.
func (s *source) host() string {
	text := s.server.String()
	if s.server.Port() == portHTTP {
		return text[:len(text)-len(":80")]
	}
	return text
}
