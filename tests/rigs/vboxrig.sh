#!/bin/bash
# vboxrig.sh build|run : a Linux with VirtualBox, in QEMU with emulated AMD-V, from Debian packages alone.
#   vboxrig.sh build DIR           needs root, debootstrap, cpio, xz, kmod; takes about 3 min and 1.9 GB
#   vboxrig.sh run DIR SCRIPT [FILE...]   runs SCRIPT (bash) as root in that Linux, with the files in /mnt; the console goes to stdout
# env: MEM in MB (2560), CPU (max), SECS (900)
set -e
D=$(realpath -m "$2"); R=$D/root; I=$D/initrd
if [ "$1" = build ]; then
  MIRROR=$(grep -rhoE "https?://[^ ]+/debian/?( |$)" /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | grep -v security | head -1 | tr -d " ")
  mkdir -p "$D"; debootstrap --variant=minbase --components=main,contrib sid "$R" "$MIRROR"; cp /etc/resolv.conf "$R/etc/"
  chroot "$R" sh -c 'mount -t proc p /proc; DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends linux-image-amd64 linux-headers-amd64 virtualbox virtualbox-dkms kmod busybox-static curl; s=$?; umount /proc; exit $s'
  KV=$(basename "$R"/boot/vmlinuz-*); KV=${KV#vmlinuz-}
  rm -rf "$I"; mkdir -p "$I"/{bin,dev,proc,sys,m,host}; cp -L "$R/bin/busybox" "$I/bin/"
  for a in $("$I/bin/busybox" --list); do [ "$a" = busybox ] || ln -sf busybox "$I/bin/$a"; done
  chroot "$R" depmod "$KV"
  for m in virtio_pci 9pnet_virtio 9p vboxdrv vboxnetadp vboxnetflt; do chroot "$R" modprobe -S "$KV" --show-depends $m | awk '/^insmod/{print $2}'; done |
    awk '!s[$0]++' | grep -v kvm-intel | while read -r f; do b=$(basename "$f" .xz); xz -dc "$R/$f" > "$I/m/$b"; echo "$b" >> "$I/m/order"; done
  cat > "$I/init" <<'S'
#!/bin/sh
export PATH=/bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for m in $(cat /m/order); do insmod /m/$m || echo insmod $m failed; done
ip link set lo up
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host
mount -t proc p /host/proc; mount -t sysfs s /host/sys; mount --bind /dev /host/dev; for d in run tmp root mnt; do mount -t tmpfs t /host/$d; done
mkdir -p /host/dev/shm; mount -t tmpfs t /host/dev/shm
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000 files /host/mnt
HOME=/root PATH=/usr/bin:/usr/sbin LANG=C USER=root LOGNAME=root chroot /host /bin/bash /mnt/script; echo "VBOXRIG exit $?"; poweroff -f
S
  chmod +x "$I/init"; (cd "$I" && find . | cpio -o -H newc --quiet) > "$D/initrd.cpio"; ls -la "$D/initrd.cpio"
else
  W=$(mktemp -d); trap 'rm -rf "$W"' EXIT
  cp "$3" "$W/script"; shift 3; [ $# = 0 ] || cp "$@" "$W/"; chmod 755 "$W"
  # QEMU's emulated AMD-V sometimes loses an interrupt: its main loop requests one
  # while the processor's thread changes the same word at the end of VMRUN. The
  # interrupt stays pending in the local APIC until the next one is requested. If it
  # is the only timer's there is none, and this Linux switches tasks no more. So an
  # interrupt comes from outside, a character each second on the serial port.
  while sleep 1; do echo; done | timeout "${SECS:-900}" qemu-system-x86_64 -accel tcg -machine q35 -cpu "${CPU:-max}" -m "${MEM:-2560}" -nographic -nodefaults -no-reboot -serial stdio \
    -kernel "$R"/boot/vmlinuz-* -initrd "$D/initrd.cpio" -append "console=ttyS0 quiet" \
    -fsdev local,id=h,path="$R",security_model=none,readonly=on,multidevs=remap -device virtio-9p-pci,fsdev=h,mount_tag=host \
    -fsdev local,id=f,path="$W",security_model=none,readonly=on -device virtio-9p-pci,fsdev=f,mount_tag=files
fi
