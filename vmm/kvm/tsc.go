package kvm

// TSC reads the host's time stamp counter.
func TSC() uint64
