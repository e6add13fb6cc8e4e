module ringo.example/host

go 1.26.0

require (
	github.com/edsrzf/mmap-go v1.2.0
	github.com/fsnotify/fsnotify v1.10.1
	github.com/prometheus/procfs v0.23.0
	github.com/shirou/gopsutil/v4 v4.26.10
	go.uber.org/automaxprocs v1.6.0
)
