package kernel_test

import (
	"bytes"
	"encoding/binary"
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/kernel"
)

func unixAddr(path string) []byte {
	return append([]byte{syscall.AF_UNIX, 0}, path...)
}

func socket(t testing.TB, k *kernel.Kernel, typ int) int {
	t.Helper()
	fd, err := k.Socket(syscall.AF_UNIX, typ, 0)
	ok(t, err)
	return fd
}

func socketpair(t testing.TB, k *kernel.Kernel, typ int) (a, b int) {
	t.Helper()
	fds, err := k.Socketpair(syscall.AF_UNIX, typ, 0)
	ok(t, err)
	return fds[0], fds[1]
}

func TestUnixStream(t *testing.T) {
	for name, addr := range map[string][]byte{
		"path":     append(unixAddr("/tmp/socket"), 0),
		"abstract": unixAddr("\x00name"),
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t)
			c := socket(t, k, syscall.SOCK_STREAM)
			if err := k.Connect(c, addr); err != syscall.ENOENT && err != syscall.ECONNREFUSED {
				t.Errorf("connect to nothing: %v", err)
			}
			l := socket(t, k, syscall.SOCK_STREAM)
			want(t, k.Listen(l, 5), syscall.EINVAL)
			ok(t, k.Bind(l, addr))
			want(t, k.Connect(c, addr), syscall.ECONNREFUSED)
			ok(t, k.Listen(l, 5))
			other := socket(t, k, syscall.SOCK_STREAM)
			want(t, k.Bind(other, addr), syscall.EADDRINUSE)
			dgram := socket(t, k, syscall.SOCK_DGRAM)
			want(t, k.Connect(dgram, addr), syscall.EPROTOTYPE)

			accepted := make(chan int, 1)
			go func() {
				fd, n, err := k.Accept(l, nil, syscall.SOCK_NONBLOCK)
				if err != 0 || n != 2 {
					t.Errorf("accept: address of %d bytes, %v", n, err)
				}
				accepted <- fd
			}()
			stays(t, accepted, "accept")
			ok(t, k.Connect(c, addr))
			s := comes(t, accepted, "accept")
			want(t, k.Connect(c, addr), syscall.EISCONN)

			writeString(t, k, c, "hello")
			if got := readString(t, k, s, 3); got != "hel" {
				t.Errorf("read %q", got)
			}
			if got := readString(t, k, s, 100); got != "lo" {
				t.Errorf("read %q", got)
			}
			_, err := k.Read(s, make([]byte, 1))
			want(t, err, syscall.EAGAIN)
			var buf [128]byte
			n, err := k.Getpeername(c, buf[:])
			ok(t, err)
			if !bytes.Equal(buf[:n], addr) {
				t.Errorf("peer's name %q, want %q", buf[:n], addr)
			}
			ok(t, k.Shutdown(c, syscall.SHUT_WR))
			if got := readString(t, k, s, 10); got != "" {
				t.Errorf("read %q at the end", got)
			}
			_, err = k.Write(c, []byte("x"))
			want(t, err, syscall.EPIPE)
			writeString(t, k, s, "other way")
			if got := readString(t, k, c, 100); got != "other way" {
				t.Errorf("read %q", got)
			}
			ok(t, k.Close(s))
			if got := readString(t, k, c, 10); got != "" {
				t.Errorf("read %q after the peer closed", got)
			}
			ok(t, k.Close(l))
			want(t, k.Connect(other, addr), syscall.ECONNREFUSED)
		})
	}
}

func TestUnixReset(t *testing.T) {
	k := newKernel(t)
	a, b := socketpair(t, k, syscall.SOCK_STREAM)
	writeString(t, k, a, "never read")
	ok(t, k.Close(b))
	_, err := k.Read(a, make([]byte, 1))
	want(t, err, syscall.ECONNRESET)
	_, err = k.Write(a, []byte("x"))
	want(t, err, syscall.EPIPE)
}

func TestUnixDatagram(t *testing.T) {
	k := newKernel(t)
	server, client := socket(t, k, syscall.SOCK_DGRAM), socket(t, k, syscall.SOCK_DGRAM)
	ok(t, k.Bind(server, unixAddr("\x00server")))
	ok(t, k.Bind(client, unixAddr(""))) // any name
	n, err := k.Sendto(client, []byte("first message"), 0, unixAddr("\x00server"))
	if n != 13 || err != 0 {
		t.Fatalf("sent %d, %v", n, err)
	}
	ok(t, k.Connect(client, unixAddr("\x00server")))
	writeString(t, k, client, "second")
	var from [128]byte
	m := kernel.Message{Data: [][]byte{make([]byte, 5)}, Name: from[:]}
	n, err = k.Recvmsg(server, &m, 0)
	if n != 5 || err != 0 || string(m.Data[0]) != "first" || m.Flags != syscall.MSG_TRUNC {
		t.Fatalf("received %d bytes %q, flags %#x, %v", n, m.Data[0], m.Flags, err)
	}
	// An answer to the name that the sender got.
	_, err = k.Sendto(server, []byte("answer"), 0, from[:m.NameLen])
	ok(t, err)
	if got := readString(t, k, client, 100); got != "answer" {
		t.Errorf("read %q", got)
	}
	if got := readString(t, k, server, 100); got != "second" {
		t.Errorf("read %q", got)
	}
	_, err = k.Sendto(client, make([]byte, 1<<20), 0, nil)
	want(t, err, syscall.EMSGSIZE)
	ok(t, k.Close(server))
	_, err = k.Write(client, []byte("x"))
	want(t, err, syscall.ECONNREFUSED)
}

// TestUnixFull fills a socket until sending would wait, and looks that reading
// makes room.
func TestUnixFull(t *testing.T) {
	for _, typ := range []int{syscall.SOCK_STREAM, syscall.SOCK_DGRAM, syscall.SOCK_SEQPACKET} {
		k := newKernel(t)
		a, b := socketpair(t, k, typ)
		p := newPoller(t, k)
		p.add(a, out|edge)
		p.expect(uint32(a), out)
		sent := 0
		for {
			n, err := k.Sendto(a, make([]byte, 10_000), syscall.MSG_DONTWAIT, nil)
			if err == syscall.EAGAIN {
				break
			}
			ok(t, err)
			sent += n
		}
		done := make(chan bool, 1)
		go func() {
			_, err := k.Write(a, make([]byte, 10_000))
			ok(t, err)
			done <- true
		}()
		stays(t, done, "write")
		p.expect()
		for got := 0; got < sent; {
			got += len(readString(t, k, b, 10_000))
		}
		comes(t, done, "write")
		p.expect(uint32(a), out)
	}
}

func TestUnixPeek(t *testing.T) {
	k := newKernel(t)
	a, b := socketpair(t, k, syscall.SOCK_STREAM)
	writeString(t, k, a, "data")
	buf := make([]byte, 10)
	for range 2 {
		n, _, err := k.Recvfrom(b, buf, syscall.MSG_PEEK, nil)
		if err != 0 || string(buf[:n]) != "data" {
			t.Errorf("peeked %q, %v", buf[:n], err)
		}
	}
	if got := readString(t, k, b, 10); got != "data" {
		t.Errorf("read %q", got)
	}
}

// rights makes the control message that sends descriptors.
func rights(fds ...int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(16+4*len(fds)))
	b = binary.LittleEndian.AppendUint32(b, syscall.SOL_SOCKET)
	b = binary.LittleEndian.AppendUint32(b, syscall.SCM_RIGHTS)
	for _, fd := range fds {
		b = binary.LittleEndian.AppendUint32(b, uint32(fd))
	}
	return append(b, make([]byte, -len(b)&7)...)
}

func TestUnixRights(t *testing.T) {
	k := newKernel(t)
	a, b := socketpair(t, k, syscall.SOCK_STREAM)
	r, w := pipe(t, k, 0)
	_, err := k.Sendmsg(a, &kernel.Message{Data: [][]byte{[]byte("take")}, Control: rights(w)}, 0)
	ok(t, err)
	ok(t, k.Close(w)) // the message keeps it open
	m := kernel.Message{Data: [][]byte{make([]byte, 10)}, Control: make([]byte, 64)}
	n, err := k.Recvmsg(b, &m, 0)
	if n != 4 || err != 0 || m.ControlLen != 24 {
		t.Fatalf("received %d bytes and %d of control, %v", n, m.ControlLen, err)
	}
	list, cerr := syscall.ParseSocketControlMessage(m.Control[:m.ControlLen])
	if cerr != nil || len(list) != 1 {
		t.Fatalf("control messages: %v, %v", list, cerr)
	}
	fds, cerr := syscall.ParseUnixRights(&list[0])
	if cerr != nil || len(fds) != 1 {
		t.Fatalf("rights: %v, %v", fds, cerr)
	}
	writeString(t, k, fds[0], "through the descriptor")
	if got := readString(t, k, r, 100); got != "through the descriptor" {
		t.Errorf("read %q", got)
	}
	_, err = k.Sendmsg(a, &kernel.Message{Data: [][]byte{[]byte("x")}, Control: rights(99)}, 0)
	want(t, err, syscall.EBADF)

	// Without room for them they are dropped, and closed.
	_, err = k.Sendmsg(a, &kernel.Message{Data: [][]byte{[]byte("y")}, Control: rights(fds[0])}, 0)
	ok(t, err)
	ok(t, k.Close(fds[0]))
	m = kernel.Message{Data: [][]byte{make([]byte, 10)}}
	_, err = k.Recvmsg(b, &m, 0)
	ok(t, err)
	if m.Flags&syscall.MSG_CTRUNC == 0 {
		t.Errorf("flags %#x lack MSG_CTRUNC", m.Flags)
	}
	if got := readString(t, k, r, 1); got != "" {
		t.Errorf("read %q: the pipe is still open", got)
	}
}

func TestUnixCredentials(t *testing.T) {
	k := newKernel(t)
	a, b := socketpair(t, k, syscall.SOCK_DGRAM)
	ok(t, k.Setsockopt(b, syscall.SOL_SOCKET, syscall.SO_PASSCRED, []byte{1, 0, 0, 0}))
	writeString(t, k, a, "who")
	m := kernel.Message{Data: [][]byte{make([]byte, 10)}, Control: make([]byte, 64)}
	_, err := k.Recvmsg(b, &m, 0)
	ok(t, err)
	list, cerr := syscall.ParseSocketControlMessage(m.Control[:m.ControlLen])
	if cerr != nil || len(list) != 1 {
		t.Fatalf("control messages: %v, %v", list, cerr)
	}
	cred, cerr := syscall.ParseUnixCredentials(&list[0])
	if cerr != nil || int(cred.Pid) != syscall.Getpid() || cred.Uid != 0 {
		t.Errorf("credentials %v, %v", cred, cerr)
	}
}

func TestReceiveTimeout(t *testing.T) {
	k := newKernel(t)
	_, b := socketpair(t, k, syscall.SOCK_STREAM)
	ok(t, k.Setsockopt(b, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, binary.LittleEndian.AppendUint64(make([]byte, 8), 10_000)))
	_, err := k.Read(b, make([]byte, 1))
	want(t, err, syscall.EAGAIN)
	var v [16]byte
	n, err := k.Getsockopt(b, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, v[:])
	if n != 16 || err != 0 || v[8] != 0x10 || v[9] != 0x27 {
		t.Errorf("timeout %v, %v", v, err)
	}
}

func TestSocketErrors(t *testing.T) {
	k := newKernel(t)
	_, err := k.Socket(99, syscall.SOCK_STREAM, 0)
	want(t, err, syscall.EAFNOSUPPORT)
	_, err = k.Socket(syscall.AF_UNIX, 9, 0)
	want(t, err, syscall.EPROTONOSUPPORT)
	file := open(t, k, "/dev/null", syscall.O_RDWR)
	want(t, k.Connect(file, nil), syscall.ENOTSOCK)
	want(t, k.Connect(99, nil), syscall.EBADF)
	s := socket(t, k, syscall.SOCK_STREAM)
	want(t, k.Connect(s, []byte{1}), syscall.EINVAL)
	want(t, k.Connect(s, append([]byte{1, 0}, make([]byte, 200)...)), syscall.EINVAL)
	_, err = k.Write(s, []byte("x"))
	want(t, err, syscall.ENOTCONN)
	_, err = k.Read(s, make([]byte, 1))
	want(t, err, syscall.EINVAL)
	_, _, err = k.Accept(s, nil, 0)
	want(t, err, syscall.EINVAL)
}

// TestReceiveAll receives with MSG_WAITALL: all that was asked for, or what came
// before the end.
func TestReceiveAll(t *testing.T) {
	k := newKernel(t)
	a, b := socketpair(t, k, syscall.SOCK_STREAM)
	go func() {
		for _, part := range []string{"ab", "cde", "fgh"} {
			k.Write(a, []byte(part))
			time.Sleep(5 * time.Millisecond)
		}
		k.Close(a)
	}()
	for _, c := range []struct {
		flags, size int
		want        string
	}{
		{syscall.MSG_WAITALL, 4, "abcd"},
		{syscall.MSG_WAITALL, 100, "efgh"},
		{syscall.MSG_WAITALL, 100, ""},
	} {
		buf := make([]byte, c.size)
		n, _, err := k.Recvfrom(b, buf, c.flags, nil)
		ok(t, err)
		if string(buf[:n]) != c.want {
			t.Errorf("received %q, want %q", buf[:n], c.want)
		}
	}
	a, b = socketpair(t, k, syscall.SOCK_DGRAM)
	_, err := k.Write(a, []byte("message"))
	ok(t, err)
	buf := make([]byte, 100)
	n, _, err := k.Recvfrom(b, buf, syscall.MSG_WAITALL, nil)
	ok(t, err)
	if string(buf[:n]) != "message" {
		t.Errorf("received %q", buf[:n])
	}
}
