package overlay

// dataRules give programs the data that they find in files elsewhere: root
// certificates and time zones. They are linked only where they are used.
var dataRules = []Rule{
	{
		File:    "crypto/x509/cert_pool.go",
		Match:   `(?m)^\treturn loadSystemRoots\(\)$`,
		Replace: "\treturn ringoSystemRoots()",
		Count:   1,
		Why:     "have root certificates",
	}, {
		File:    "crypto/x509/root.go",
		Match:   `(?m)^\tsystemRoots, systemRootsErr = loadSystemRoots\(\)$`,
		Replace: "\tsystemRoots, systemRootsErr = ringoSystemRoots()",
		Count:   1,
		Why:     "have root certificates",
	}, {
		File:    bundle,
		Match:   `(?m)^\t"crypto/x509"$`,
		Replace: "",
		Count:   1,
		Why:     "break the import cycle with package crypto/x509",
	}, {
		File:    bundle,
		Match:   `\*x509\.Certificate\b`,
		Replace: "struct{ NotBefore time.Time }",
		Count:   2,
		Why:     "break the import cycle with package crypto/x509",
	}, {
		File:    "time/zoneinfo.go",
		Match:   `(?m)^\tzoneinfoOnce\.Do\(func\(\) \{$`,
		Replace: "${0}\n\t\tringoZones()",
		Count:   1,
		Why:     "have time zones",
	}, {
		// time/tzdata itself is linked as a whole when it is imported.
		File:    "time/tzdata/tzdata.go",
		As:      guestRoot + "/tzdata/tzdata.go",
		Match:   `(?ms)^// registerLoadFromEmbeddedTZData is .*?^func init\(\) \{\n.*?^\}\n`,
		Replace: "// Load returns the data of a time zone.\nfunc Load(name string) (string, error) { return loadFromEmbeddedTZData(name) }\n",
		Count:   1,
		Why:     "have time zones",
	}, {
		File:    "time/tzdata/zzipdata.go",
		As:      guestRoot + "/tzdata/zzipdata.go",
		Match:   wholeFile,
		Replace: "${0}",
		Count:   1,
		Why:     "have time zones",
	},
}

// bundle has the certificates of kernel/roots.
const bundle = "golang.org/x/crypto/x509roots/fallback/bundle/roots.go"
