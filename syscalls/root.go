package syscalls

import (
	"strconv"
	"strings"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/dev"
	"ringo.dev/ringo/kernel/tmpfs"
	"ringo.dev/ringo/rt"
)

// root are the directories of the root, and what makes the entries of each when they are
// first looked for.
var root = []struct {
	name  string
	mode  uint32
	fill  func(*tmpfs.Dir, *kernel.Kernel)
	fills func(name string) bool // as with tmpfs.Dir.LaterOnly
}{
	{"dev", 0o755, fillDev, nil},
	{"etc", 0o755, fillEtc, fillsEtc},
	{"proc", 0o555, nil, nil},
	{"root", 0o700, nil, nil},
	{"run", 0o755, nil, nil},
	{"sys", 0o555, fillSys, nil},
	{"var", 0o755, fillVar, nil},
}

// fillRoot makes the directories of the root. It returns the one for unnamed files.
func fillRoot(top *tmpfs.Dir, k *kernel.Kernel) kernel.TempDirectory {
	for _, r := range root {
		d := top.AddDir(r.name, r.mode)
		if r.fill != nil {
			d.LaterOnly(r.fills, func(d *tmpfs.Dir) { r.fill(d, k) })
		}
	}
	return top.AddDir("tmp", 0o1777)
}

func fillDev(d *tmpfs.Dir, k *kernel.Kernel) {
	dev.Fill(d)
	for _, disk := range k.BlockDevices() {
		d.AddDevice(disk.Name, syscall.S_IFBLK|0o660, disk.Rdev)
	}
}

func fillVar(d *tmpfs.Dir, _ *kernel.Kernel) {
	d.AddDir("tmp", 0o1777)
	d.AddDir("log", 0o755)
	d.AddLink("run", "/run")
}

// etc are the files that package net, os/user, mime and others look for; %h is the
// host name. hosts is replaced when a DHCP server names the machine.
var etc = []struct{ name, content string }{
	{"group", "root:x:0:\nnogroup:x:65534:\n"},
	{"hostname", "%h\n"},
	{"hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t%h\n"},
	{"mime.types", mimeTypes},
	{"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"},
	{"os-release", "NAME=Ringo\nID=ringo\nPRETTY_NAME=Ringo\n"},
	{"passwd", "root:x:0:0:root:/root:/\nnobody:x:65534:65534:nobody:/:/\n"},
	{"protocols", "ip\t0\tIP\nicmp\t1\tICMP\ntcp\t6\tTCP\nudp\t17\tUDP\nipv6-icmp\t58\tIPv6-ICMP\n"},
	{"services", services},
}

// fillsEtc reports whether fillEtc makes something of a name. It does not make localtime,
// which package time looks for in every program that shows a time.
func fillsEtc(name string) bool {
	for i := range etc {
		if etc[i].name == name {
			return true
		}
	}
	return name == "resolv.conf" || name == "ssl"
}

// fillEtc makes the entries of /etc. As where Linux itself configures the network,
// resolv.conf is /proc/net/pnp.
func fillEtc(d *tmpfs.Dir, k *kernel.Kernel) {
	name := k.Hostname()
	for _, f := range etc {
		d.AddFile(f.name, strings.ReplaceAll(f.content, "%h", name), 0o644)
	}
	d.AddLink("resolv.conf", "/proc/net/pnp")
	d.AddDir("ssl", 0o755).AddDir("certs", 0o755).Later(func(d *tmpfs.Dir) {
		k.EachProvided("/etc/ssl/certs/", func(name string, content func() string) {
			d.AddFile(name, content(), 0o644)
		})
	})
}

// mimeTypes are types that package mime does not know by itself.
const mimeTypes = `application/gzip gz
application/vnd.ms-fontobject eot
application/x-tar tar
application/zip zip
audio/mpeg mp3
font/otf otf
font/ttf ttf
font/woff woff
font/woff2 woff2
image/x-icon ico
text/csv csv
text/markdown md markdown
text/plain txt
video/mp4 mp4
video/webm webm
`

// services are the names that programs dial by.
const services = `ftp 21/tcp
ssh 22/tcp
telnet 23/tcp
smtp 25/tcp
domain 53/tcp
domain 53/udp
http 80/tcp
pop3 110/tcp
ntp 123/udp
imap2 143/tcp
snmp 161/udp
ldap 389/tcp
https 443/tcp
https 443/udp
submission 587/tcp
ldaps 636/tcp
imaps 993/tcp
pop3s 995/tcp
mysql 3306/tcp
postgresql 5432/tcp
amqp 5672/tcp
`

// fillSys makes the few files of /sys that the Go runtime and programs which
// count processors read.
func fillSys(d *tmpfs.Dir, _ *kernel.Kernel) {
	d.AddDir("kernel", 0o755).AddDir("mm", 0o755).AddDir("transparent_hugepage", 0o755).
		AddFile("hpage_pmd_size", "2097152\n", 0o444)
	d.AddDir("fs", 0o755).AddDir("cgroup", 0o755)
	fillCPUs(d.AddDir("devices", 0o755).AddDir("system", 0o755).AddDir("cpu", 0o755))
	d.AddDir("class", 0o755).AddDir("net", 0o755)
}

// fillCPUs makes what programs read of the processors, each a core of one package
// (Documentation/admin-guide/cputopology.rst of Linux).
func fillCPUs(d *tmpfs.Dir) {
	all := cpuList()
	for _, name := range []string{"online", "possible", "present"} {
		d.AddFile(name, all+"\n", 0o444)
	}
	for _, name := range []string{"isolated", "offline"} {
		d.AddFile(name, "\n", 0o444)
	}
	for i := range rt.CPUs() {
		number := strconv.Itoa(i)
		topology := d.AddDir("cpu"+number, 0o755).AddDir("topology", 0o755)
		for _, f := range []struct{ name, content string }{
			{"core_cpus_list", number},
			{"core_id", number},
			{"core_siblings_list", all},
			{"package_cpus_list", all},
			{"physical_package_id", "0"},
			{"thread_siblings_list", number},
		} {
			topology.AddFile(f.name, f.content+"\n", 0o444)
		}
	}
}

// cpuList returns the numbers of the processors such as "0-3".
func cpuList() string {
	if n := rt.CPUs(); n > 1 {
		return "0-" + strconv.Itoa(n-1)
	}
	return "0"
}
