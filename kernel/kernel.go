// Package kernel is the process as the program sees it: descriptors, files,
// pipes, polling, identity, time. Its files answer in Linux's terms (errno,
// stat, poll events) but know nothing of system call numbers: package syscalls
// holds the table. It is linked through package os, so it and all it imports
// must not import os (nor fmt, log, net).
package kernel
