package overlay

// diskRules have functions of package os that open files refer to the disks, so
// that these are only in programs that can open files; and they have what is in
// memory only written to the disk before the program ends.
var diskRules = []Rule{
	{
		File:    "os/file_unix.go",
		Match:   `(?m)^func open(File|Dir)Nolog\(.*\{\n`,
		Replace: "${0}\tringoDisks()\n",
		Count:   2,
		Why:     "link the disks into programs that open files",
	}, {
		File:    "os/root_unix.go",
		Match:   `(?m)^func openRootNolog\(.*\{\n`,
		Replace: "${0}\tringoDisks()\n",
		Count:   1,
		Why:     "link the disks into programs that open files",
	}, {
		File:    "runtime/panic.go",
		Match:   `(?m)^\tpreprintpanics\(&p\)\n`,
		Replace: "${0}\tringoBeforePanic()\n",
		Count:   1,
		Why:     "write files to the disk before a panic ends the program",
	}, {
		File:    "runtime/signal_unix.go",
		Match:   `(?m)^\tif flags&_SigKill != 0 \{\n`,
		Replace: "${0}\t\tif ringoEndLater(sig) {\n\t\t\treturn\n\t\t}\n",
		Count:   1,
		Why:     "write files to the disk before a signal ends the program",
	},
}
