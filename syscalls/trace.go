package syscalls

import (
	"strconv"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// maxShown is how much of a string or buffer a trace shows.
const maxShown = 32

// traceLine describes an answered call in the manner of strace(1).
func traceLine(call *call, c *rt.Call) []byte {
	var line []byte
	if call == nil {
		line = append(strconv.AppendUint(append(line, "syscall_"...), uint64(c.Num), 10), '(')
	} else {
		line = append(append(line, call.name...), '(')
		for i, kind := range call.args {
			if i > 0 {
				line = append(line, ", "...)
			}
			line = traceArg(line, kind, i, c)
		}
	}
	line = append(line, ") = "...)
	if c.Errno != 0 {
		line = append(line, "-1 "...)
		line = append(line, errorName(Errno(c.Errno))...)
	} else {
		line = strconv.AppendInt(line, int64(c.Ret), 10)
	}
	return append(line, '\n')
}

func traceArg(line []byte, kind arg, i int, c *rt.Call) []byte {
	v := c.Arg[i]
	switch kind {
	case num, fd:
		return strconv.AppendInt(line, int64(int32(v)), 10)
	case dirfd:
		if int32(v) == kernel.FDCWD {
			return append(line, "AT_FDCWD"...)
		}
		return strconv.AppendInt(line, int64(int32(v)), 10)
	case size:
		return strconv.AppendUint(line, uint64(v), 10)
	case off:
		return strconv.AppendInt(line, int64(v), 10)
	case mode:
		return strconv.AppendUint(append(line, '0'), uint64(uint32(v)), 8)
	case path:
		if s, err := kernel.UserPath(v); err == 0 {
			return quote(line, s)
		}
	case in, out:
		n := c.Arg[i+1]
		if kind == out {
			n = min(n, c.Ret)
		}
		if kind == out && c.Errno != 0 {
			break
		}
		if b, err := kernel.User(v, min(n, maxShown+1), false); err == 0 {
			return quote(line, string(b))
		}
	}
	if v == 0 && kind == ptr {
		return append(line, "NULL"...)
	}
	return strconv.AppendUint(append(line, "0x"...), uint64(v), 16)
}

// quote appends the beginning of s as a Go string.
func quote(line []byte, s string) []byte {
	if len(s) <= maxShown {
		return strconv.AppendQuoteToASCII(line, s)
	}
	return append(strconv.AppendQuoteToASCII(line, s[:maxShown]), "..."...)
}

// errorName returns the name of an error that programs see often, else its text.
func errorName(err Errno) string {
	switch err {
	case syscall.EAGAIN:
		return "EAGAIN"
	case syscall.EBADF:
		return "EBADF"
	case syscall.EEXIST:
		return "EEXIST"
	case syscall.EFAULT:
		return "EFAULT"
	case syscall.EINPROGRESS:
		return "EINPROGRESS"
	case syscall.EINVAL:
		return "EINVAL"
	case syscall.ENOENT:
		return "ENOENT"
	case syscall.ENOSYS:
		return "ENOSYS"
	case syscall.EPERM:
		return "EPERM"
	}
	return "errno " + strconv.Itoa(int(err)) + " (" + err.Error() + ")"
}
