package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"ringo.dev/ringo/tests/guests/check"
)

func interfaces() error {
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	loopback := slices.IndexFunc(all, func(i net.Interface) bool { return i.Flags&net.FlagLoopback != 0 })
	if loopback < 0 {
		return fmt.Errorf("no loopback among %v", all)
	}
	addrs, err := all[loopback].Addrs()
	if err != nil {
		return err
	}
	var text []string
	for _, a := range addrs {
		text = append(text, a.String())
	}
	if !slices.Contains(text, "127.0.0.1/8") {
		return fmt.Errorf("the loopback's addresses are %v", text)
	}
	byName, err := net.InterfaceByName(all[loopback].Name)
	if err != nil {
		return err
	}
	if err := check.Equal("index", byName.Index, all[loopback].Index); err != nil {
		return err
	}
	if check.Setting("CARDS", 0) > 0 && len(all) < 2 {
		return fmt.Errorf("no network card among %v", all)
	}
	return nil
}

// proc looks for what programs that watch a system read in /proc/net, and for a
// socket of this program, which they find by the number of its descriptor's link.
func proc() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer f.Close()
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return err
	}
	inode := strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")
	for name, want := range map[string]string{
		"tcp":      fmt.Sprintf(" 0100007F:%04X 00000000:0000 0A ", l.Addr().(*net.TCPAddr).Port),
		"unix":     "Num       RefCount Protocol Flags    Type St Inode Path\n",
		"snmp":     "\nTcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens ",
		"netstat":  "\nIpExt: ",
		"sockstat": "sockets: used ",
		"dev":      " lo:",
	} {
		b, err := os.ReadFile("/proc/net/" + name)
		if err != nil {
			return err
		}
		at := strings.Index(string(b), want)
		if at < 0 {
			return fmt.Errorf("no %q in /proc/net/%s:\n%s", want, name, b)
		}
		if name == "tcp" {
			line, _, _ := strings.Cut(string(b[at:]), "\n")
			const inodeField = 8 // without the first
			if err := check.Equal("inode in "+line, strings.Fields(line)[inodeField], inode); err != nil {
				return err
			}
		}
	}
	return nil
}

// rawCalls makes the socket calls without package net.
func rawCalls() error {
	l, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := syscall.Bind(l, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := syscall.Listen(l, 1); err != nil {
		return err
	}
	addr, err := syscall.Getsockname(l)
	if err != nil {
		return err
	}
	c, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := syscall.Connect(c, addr); err != nil {
		return err
	}
	s, _, err := syscall.Accept(l)
	if err != nil {
		return err
	}
	if _, err := syscall.Write(c, []byte("blocking")); err != nil {
		return err
	}
	b := make([]byte, 20)
	n, err := syscall.Read(s, b)
	if err != nil {
		return err
	}
	if err := check.Equal("data", string(b[:n]), "blocking"); err != nil {
		return err
	}
	if err := syscall.Shutdown(c, syscall.SHUT_WR); err != nil {
		return err
	}
	if n, err := syscall.Read(s, b); n != 0 || err != nil {
		return fmt.Errorf("read %d, %v after the other side's end", n, err)
	}
	return errors.Join(syscall.Close(c), syscall.Close(s), syscall.Close(l))
}
