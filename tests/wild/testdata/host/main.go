// Command host asks the system about itself, by the libraries that monitoring agents
// use, and serves what it learned.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/edsrzf/mmap-go"
	"github.com/fsnotify/fsnotify"
	"github.com/prometheus/procfs"
	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
	"go.uber.org/automaxprocs/maxprocs"
)

// report is what is served.
var report strings.Builder

func say(what string, v any, err error) {
	if err != nil {
		fmt.Fprintf(&report, "%s: error: %v\n", what, err)
		return
	}
	fmt.Fprintf(&report, "%s: ok: %.160s\n", what, fmt.Sprintf("%+v", v))
}

func ask[T any](what string, f func() (T, error)) {
	v, err := f()
	say(what, v, err)
}

func main() {
	ask("cpu.Info", cpu.Info)
	ask("cpu.Counts", func() (int, error) { return cpu.Counts(true) })
	ask("cpu.Counts physical", func() (int, error) { return cpu.Counts(false) })
	ask("cpu.Times", func() ([]cpu.TimesStat, error) { return cpu.Times(true) })
	ask("cpu.Percent", func() ([]float64, error) { return cpu.Percent(100*time.Millisecond, true) })
	ask("mem.VirtualMemory", mem.VirtualMemory)
	ask("mem.SwapMemory", mem.SwapMemory)
	ask("load.Avg", load.Avg)
	ask("load.Misc", load.Misc)
	ask("host.Info", host.Info)
	ask("host.BootTime", host.BootTime)
	ask("disk.Partitions", func() ([]disk.PartitionStat, error) { return disk.Partitions(true) })
	ask("disk.Usage", func() (*disk.UsageStat, error) { return disk.Usage("/") })
	ask("disk.IOCounters", func() (map[string]disk.IOCountersStat, error) { return disk.IOCounters() })
	ask("net.Interfaces", net.Interfaces)
	ask("net.IOCounters", func() ([]net.IOCountersStat, error) { return net.IOCounters(true) })
	ask("net.Connections", func() ([]net.ConnectionStat, error) { return net.Connections("all") })
	ask("net.ProtoCounters", func() ([]net.ProtoCountersStat, error) { return net.ProtoCounters(nil) })
	p, err := process.NewProcess(int32(os.Getpid()))
	say("process.NewProcess", p, err)
	if err == nil {
		ask("process.Name", p.Name)
		ask("process.Exe", p.Exe)
		ask("process.Cmdline", p.CmdlineSlice)
		ask("process.Cwd", p.Cwd)
		ask("process.CreateTime", p.CreateTime)
		ask("process.MemoryInfo", p.MemoryInfo)
		ask("process.Times", p.Times)
		ask("process.CPUPercent", p.CPUPercent)
		ask("process.NumFDs", p.NumFDs)
		ask("process.NumThreads", p.NumThreads)
		ask("process.IOCounters", p.IOCounters)
		ask("process.OpenFiles", p.OpenFiles)
		ask("process.Connections", p.Connections)
		ask("process.Rlimit", p.Rlimit)
		ask("process.Status", p.Status)
		ask("process.Nice", p.Nice)
		ask("process.MemoryMaps", func() (*[]process.MemoryMapsStat, error) { return p.MemoryMaps(true) })
		ask("process.PageFaults", p.PageFaults)
		ask("process.NumCtxSwitches", p.NumCtxSwitches)
	}
	ask("process.Pids", process.Pids)

	fs, err := procfs.NewDefaultFS()
	say("procfs", fs, err)
	if err == nil {
		ask("procfs.Stat", fs.Stat)
		ask("procfs.Meminfo", fs.Meminfo)
		ask("procfs.CPUInfo", fs.CPUInfo)
		ask("procfs.NetDev", fs.NetDev)
		ask("procfs.NetTCP", fs.NetTCP)
		ask("procfs.NetSockstat", fs.NetSockstat)
		ask("procfs.LoadAvg", fs.LoadAvg)
		self, err := fs.Self()
		say("procfs.Self", self, err)
		if err == nil {
			ask("procfs.Self.Stat", self.Stat)
			ask("procfs.Self.Limits", self.Limits)
			ask("procfs.Self.NewStatus", self.NewStatus)
			ask("procfs.Self.IO", self.IO)
			ask("procfs.Self.FileDescriptorsLen", self.FileDescriptorsLen)
			ask("procfs.Self.NetDev", self.NetDev)
			ask("procfs.Self.ProcMaps", self.ProcMaps)
			ask("procfs.Self.MountInfo", self.MountInfo)
			ask("procfs.Self.Cgroups", self.Cgroups)
			ask("procfs.Self.Netstat", self.Netstat)
			ask("procfs.Self.Snmp", self.Snmp)
		}
	}
	_, err = maxprocs.Set()
	say("maxprocs", runtime.GOMAXPROCS(0), err)
	say("fsnotify", "", watch())
	say("mmap", "", mapped())
	fmt.Print(report.String())
	log.Fatal(http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, report.String())
	})))
}

func watch() error {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return err
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.Add(dir); err != nil {
		return err
	}
	file := filepath.Join(dir, "x")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		return err
	}
	select {
	case e := <-w.Events:
		if e.Name != file || !e.Has(fsnotify.Create) {
			return fmt.Errorf("unexpected event %v", e)
		}
	case <-time.After(5 * time.Second):
		return fmt.Errorf("no event")
	}
	return nil
}

func mapped() error {
	f, err := os.CreateTemp("", "")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(8192); err != nil {
		return err
	}
	m, err := mmap.Map(f, mmap.RDWR, 0)
	if err != nil {
		return err
	}
	copy(m[4096:], "mapped")
	if err := m.Flush(); err != nil {
		return err
	}
	got := make([]byte, 6)
	if _, err := f.ReadAt(got, 4096); err != nil || string(got) != "mapped" {
		return fmt.Errorf("file has %q: %v", got, err)
	}
	return m.Unmap()
}
