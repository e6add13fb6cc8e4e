package kernel

// unixNames will hold AF_UNIX names.
type unixNames struct{}
