package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"ringo.dev/ringo/tools/machine"
	"ringo.dev/ringo/tools/volumes"
)

func volumeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "volume",
		Short: "Make volumes, and work on the files in them",
		Long: "A volume is a disk with Ringo's file system, in a file of the host: what ringo\n" +
			"run --disk FILE:/PATH mounts. Paths in it are written FILE:/PATH. It must not be in use\n" +
			"by a virtual machine.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(volumeCreateCommand(), volumeListCommand(), volumeCopyCommand(), volumeCatCommand(),
		volumeCheckCommand(), volumeSnapshotCommand())
	return cmd
}

func volumeCreateCommand() *cobra.Command {
	var size machine.Size
	var force bool
	cmd := &cobra.Command{
		Use:   "create --size SIZE FILE",
		Short: "Make an empty volume",
		Example: "  ringo volume create --size 10G data.img\n" +
			"  ringo volume create --force /dev/sdb",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case force == (size > 0):
				return errors.New("say the size of the new file with --size, or that what FILE has is to be lost with --force")
			case size > 0 && size < volumes.MinSize:
				return fmt.Errorf("--size %d: a volume needs at least 1M", size)
			}
			return volumes.Create(args[0], int64(size))
		},
	}
	cmd.Flags().VarP(&size, "size", "s", "`SIZE` of the new file, such as 512M or 10G; it takes space when it is written")
	cmd.Flags().BoolVar(&force, "force", false, "make the volume on a file or block device that is there; what it has is lost")
	return cmd
}

// volumePath takes FILE:/PATH apart; the path is / if there is none.
func volumePath(arg string) (file, dir string, ok bool) {
	if i := strings.LastIndex(arg, ":/"); i > 0 {
		return arg[:i], path.Clean(arg[i+1:]), true
	}
	return arg, "/", false
}

// onVolume opens a volume and calls f.
func onVolume(file string, o volumes.Options, f func(*volumes.Volume) error) error {
	o.Report = func(err error) { fmt.Fprintf(os.Stderr, "ringo: %s: %v\n", file, err) }
	v, err := volumes.Open(file, o)
	if err != nil {
		return err
	}
	err = f(v)
	if e := v.Close(); err == nil {
		err = e
	}
	return err
}

func snapshotFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("snapshot", "", "look at the files as they were in the snapshot `NAME`")
}

func volumeListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls FILE[:/PATH]",
		Short: "List a directory of a volume, with modes, sizes and times",
		Args:  cobra.ExactArgs(1),
	}
	snapshot := snapshotFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file, dir, _ := volumePath(args[0])
		return onVolume(file, volumes.Options{ReadOnly: true, Snapshot: *snapshot}, func(v *volumes.Volume) error {
			i, err := v.Stat(dir, true)
			if err != nil {
				return err
			}
			list := []volumes.Info{i}
			if i.Mode.IsDir() {
				if list, err = v.List(dir); err != nil {
					return err
				}
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, i := range list {
				name := i.Name
				if i.Target != "" {
					name += " -> " + i.Target
				}
				fmt.Fprintf(w, "%v\t%d\t%s\t%s\n", i.Mode, i.Size, i.Time.Format("2006-01-02 15:04:05"), name)
			}
			return w.Flush()
		})
	}
	return cmd
}

func volumeCopyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cp FROM TO",
		Short: "Copy files and directories between a volume and the host",
		Example: "  ringo volume cp data.img:/logs .\n" +
			"  ringo volume cp site data.img:/",
		Args: cobra.ExactArgs(2),
	}
	snapshot := snapshotFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		from, inner, out := volumePath(args[0])
		to, outer, in := volumePath(args[1])
		if out == in {
			return errors.New("one of FROM and TO has to be in a volume, as FILE:/PATH, and the other one on the host")
		}
		skip := func(path string) {
			fmt.Fprintf(cmd.ErrOrStderr(), "ringo: %s is no file, directory or link: left out\n", path)
		}
		if out {
			return onVolume(from, volumes.Options{ReadOnly: true, Snapshot: *snapshot}, func(v *volumes.Volume) error {
				return v.CopyOut(inner, args[1], skip)
			})
		}
		if *snapshot != "" {
			return errors.New("--snapshot: nothing can be copied into a snapshot")
		}
		return onVolume(to, volumes.Options{}, func(v *volumes.Volume) error { return v.CopyIn(args[0], outer, skip) })
	}
	return cmd
}

func volumeCatCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cat FILE:/PATH",
		Short: "Write a file of a volume to standard output",
		Args:  cobra.ExactArgs(1),
	}
	snapshot := snapshotFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file, path, _ := volumePath(args[0])
		return onVolume(file, volumes.Options{ReadOnly: true, Snapshot: *snapshot}, func(v *volumes.Volume) error {
			return v.Read(cmd.OutOrStdout(), path)
		})
	}
	return cmd
}

func volumeCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fsck FILE",
		Short: "Read a whole volume and say what is wrong with it",
		Long: "Fsck reads all that is in a volume, compares it with the checksums, and counts what\n" +
			"can be counted in two ways. It changes nothing. The exit status is 1 if something is\n" +
			"wrong. A volume that was in use when the power went is not wrong: what was synced is in its\n" +
			"log, and comes back when it is used the next time.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found := 0
			sum, err := volumes.Check(args[0], func(err error) {
				found++
				fmt.Fprintln(cmd.OutOrStdout(), err)
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d files, %d directories, %d snapshots; %d bytes used, %d free\n",
				sum.Files, sum.Directories, sum.Snapshots, sum.Used, sum.Free)
			if sum.Replayed {
				fmt.Fprintln(cmd.OutOrStdout(), "Its last changes are in the log; they come to their place when it is used again.")
			}
			if found > 0 {
				return exitError(1)
			}
			return nil
		},
	}
}

func volumeSnapshotCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "snapshot",
		Short: "Keep the files of a volume as they are, under a name",
		Long: "A snapshot takes no space, but what is changed or removed afterwards stays on the disk\n" +
			"until the snapshot is removed. --snapshot NAME of ls, cat and cp looks at the files in it.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "create FILE NAME",
		Short: "Make a snapshot",
		Args:  cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return onVolume(args[0], volumes.Options{}, func(v *volumes.Volume) error { return v.CreateSnapshot(args[1]) })
		},
	}, &cobra.Command{
		Use:   "rm FILE NAME",
		Short: "Remove a snapshot, and give back the space of what only it has",
		Args:  cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return onVolume(args[0], volumes.Options{}, func(v *volumes.Volume) error { return v.RemoveSnapshot(args[1]) })
		},
	}, &cobra.Command{
		Use:   "ls FILE",
		Short: "List the snapshots, the oldest first",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return onVolume(args[0], volumes.Options{ReadOnly: true}, func(v *volumes.Volume) error {
				list, err := v.Snapshots()
				for _, s := range list {
					fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", s.Time.Format("2006-01-02 15:04:05"), s.Name)
				}
				return err
			})
		},
	})
	return cmd
}
