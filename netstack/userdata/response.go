package userdata

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// Bounds of what a server may say: of user data, no cloud takes more than the first
// but GCE (256 KiB), and of a whole response.
const (
	maxData     = 64 << 10
	maxResponse = 2 * maxData
)

var (
	errShort   = errors.New("there is more to come")
	errLong    = errors.New("more than 64 KiB")
	errNotHTTP = errors.New("the response is not HTTP")
)

// response is a response of HTTP/1.1 (RFC 9112).
type response struct {
	status int
	body   []byte
}

// parseResponse reads a response. ended says that nothing comes behind b; if it is
// not complete, and something may come, the error is errShort.
func parseResponse(b []byte, ended bool) (response, error) {
	const version, digits = "HTTP/1.", 3
	if n := min(len(b), len(version)); string(b[:n]) != version[:n] {
		return response{}, errNotHTTP
	}
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		return response{}, errShort
	}
	first, fields, _ := strings.Cut(string(head), "\r\n")
	_, code, _ := strings.Cut(first, " ")
	status, err := strconv.ParseUint(code[:min(digits, len(code))], 10, 16)
	if err != nil || status < 100 {
		return response{}, errNotHTTP
	}
	r := response{status: int(status)}
	length, chunked, err := bodyLength(fields)
	switch {
	case err != nil:
		return response{}, err
	case status == 204 || status == 304: // which have no body
	case chunked:
		r.body, err = parseChunks(body)
	case length > maxData || len(body) > maxData:
		err = errLong
	case length >= 0 && len(body) < length, length < 0 && !ended:
		err = errShort
	case length >= 0:
		r.body = body[:length]
	default:
		r.body = body
	}
	return r, err
}

// bodyLength reads from the head's fields how long the body is: length is -1 if it
// goes on to the connection's end.
func bodyLength(fields string) (length int, chunked bool, err error) {
	length = -1
	for line := range strings.SplitSeq(fields, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "Content-Length"):
			n, err := strconv.ParseUint(value, 10, 31)
			if err != nil {
				return 0, false, errNotHTTP
			}
			length = int(n)
		case strings.EqualFold(name, "Transfer-Encoding"):
			if !strings.EqualFold(value, "chunked") {
				return 0, false, errNotHTTP
			}
			chunked = true
		}
	}
	return length, chunked, nil
}

// parseChunks reads a body in chunks (RFC 9112, 7.1).
func parseChunks(b []byte) ([]byte, error) {
	var body []byte
	for {
		line, rest, ok := bytes.Cut(b, []byte("\r\n"))
		if !ok {
			return nil, errShort
		}
		size, _, _ := strings.Cut(string(line), ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 31)
		switch {
		case err != nil:
			return nil, errNotHTTP
		case n == 0:
			return body, nil // what follows it, fields or nothing, is of no interest
		case n > uint64(maxData-len(body)):
			return nil, errLong
		case uint64(len(rest)) < n+2:
			return nil, errShort
		case rest[n] != '\r' || rest[n+1] != '\n':
			return nil, errNotHTTP
		}
		body = append(body, rest[:n]...)
		b = rest[n+2:]
	}
}
