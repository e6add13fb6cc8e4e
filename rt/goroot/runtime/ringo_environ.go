//go:build ringo

package runtime

// ringoEnviron adds to the environment what every container has and programs rely on:
// os.UserHomeDir is an error without HOME, for one. What the program is told at boot
// counts, also if it is empty. A process has its user's environment.
func ringoEnviron() {
	if ringoBare == 0 {
		return
	}
	for _, variable := range [...]string{
		"HOME=/root", // as in the guest's /etc/passwd
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	} {
		const name = len("HOME=")
		told := false
		for _, e := range envs {
			told = told || len(e) >= name && e[:name] == variable[:name]
		}
		if !told {
			envs = append(envs, variable)
		}
	}
}
