package kernel

// Values of Linux's ABI on amd64 that package syscall does not have.
const (
	oLargeFile = 0x8000 // O_LARGEFILE; Go's constant is 0 on amd64
	oPath      = 0x200000
	oTmpFile   = 0x400000 // without O_DIRECTORY
	oAccMode   = 3

	atFDCWD           = -0x64
	atSymlinkNofollow = 0x100
	atRemoveDir       = 0x200
	atEAccess         = 0x200
	atSymlinkFollow   = 0x400
	atEmptyPath       = 0x1000

	renameNoReplace = 1
	renameExchange  = 2

	utimeNow  = 0x3fffffff
	utimeOmit = 0x3ffffffe

	fDupFDCloexec = 1030
	fSetPipeSize  = 1031
	fGetPipeSize  = 1032
	fSetOwn       = 8
	fGetOwn       = 9
	seekData      = 3
	seekHole      = 4

	fioNRead = 0x541b // FIONREAD

	maxPath    = 4096
	maxName    = 255
	maxLinks   = 40
	sockTypes  = 0xf
	sockNonblk = 0x800
	sockCloexc = 0x80000
)
