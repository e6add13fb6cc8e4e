package overlay

// diskRules have functions of package os that open files refer to the disks: so
// these are only in programs that can open files.
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
	},
}
