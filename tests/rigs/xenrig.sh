#!/bin/bash
# xenrig.sh build|run : Xen 4.17 with a Debian domain 0 in an initramfs, under QEMU's TCG (AMD-V emulated), from Debian 12's packages alone.
#   xenrig.sh build DIR              needs apt-get, dpkg; host packages busybox-static, cpio, python3, qemu-system-x86; about 30 s, 250 MB
#   xenrig.sh run DIR SCRIPT FILE... runs SCRIPT (sh) in domain 0, where the FILEs are in /g; the console goes to stdout.
#                                    It ends with the script, or when QEMU is killed: this process becomes QEMU.
# What SCRIPT can call, beside busybox and xl:
#   domain NAME LINE...       creates a domain whose xl configuration has these lines; bridge=xenbr0 is the network 10.0.2.0/24 of QEMU
#   await NAME PATTERN SECS   waits for a pattern on the domain's console; fails when the domain ends without it, or the time does
#   ended NAME SECS           waits for its end, and prints "NAME ended" with xl's reason: 0 poweroff, 3 crash
#   console NAME              prints its console; of HVM domains the serial port and the device model's log, too
# env: MEM in MB (1536), CPU (max,-smap,-xsave: Xen's PV domain 0 faults with SMAP, and QEMU before 8.1 does not let Xen know of a guest's
#      XSETBV, so that domains would lose AVX), FORWARD: hostfwd rules for QEMU's user network, with commas
#      between them (tcp:127.0.0.1:8080-10.0.2.20:8080); HVM=1 to have what HVM domains need; WORK, a directory for what run makes (mktemp)
set -euo pipefail
D=$(realpath -m "$2")
X=$D/x                                  # the packages, unpacked
XEN=usr/lib/xen-4.17
LIB=usr/lib/x86_64-linux-gnu

packages="xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils libxenstore4 libxentoollog1 libxencall1 libxenevtchn1 libxengnttab1
	libxenforeignmemory1 libxendevicemodel1 libxentoolcore1 libxenhypfs1 libxenmisc4.17 libyajl2 qemu-system-xen qemu-system-data seabios ipxe-qemu
	iproute2 libbpf1 libelf1 libmnl0 libxtables12 libcap2"
tools="$XEN/bin/xl $XEN/bin/xenstored $XEN/bin/xenconsoled $XEN/bin/xen-init-dom0 $XEN/bin/libxl-save-helper
	usr/bin/xenstore-read usr/bin/xenstore-write usr/bin/xenstore-ls bin/ip"
modules="drivers/xen/xen-evtchn drivers/xen/xen-gntdev drivers/xen/xen-gntalloc drivers/xen/xen-privcmd drivers/xen/xenfs/xenfs
	net/llc/llc net/802/stp net/bridge/bridge drivers/net/ethernet/intel/e1000/e1000 drivers/net/tun drivers/net/xen-netback/xen-netback
	drivers/block/loop drivers/block/xen-blkback/xen-blkback"

# initramfs NAME BINARY... makes a directory NAME with domain 0's files: busybox, these binaries and the libraries they need, modules, scripts.
initramfs() {
	local I=$D/$1 b l m dir; shift
	rm -rf "$I"
	mkdir -p "$I"/{bin,dev,proc,sys,run/xen,run/xenstored,run/lock,tmp,g,m,etc/xen/scripts,var/log/xen,var/lib/xen,var/lib/xenstored,$LIB,lib64}
	ln -s /run "$I/var/run"; ln -s usr/lib "$I/lib"
	cp -L "$(command -v busybox)" "$I/bin/busybox"
	for b in $("$I/bin/busybox" --list); do [ "$b" = busybox ] || ln -sf busybox "$I/bin/$b"; done
	for b in "$@"; do
		mkdir -p "$I/${b%/*}"; rm -f "$I/$b"; cp -L "$X/$b" "$I/$b"
		LD_LIBRARY_PATH=$X/$LIB:$X/$XEN/lib/x86_64-linux-gnu:$X/lib/x86_64-linux-gnu ldd "$X/$b" | grep -o '/[^ ]*' | sort -u | while read -r l; do
			dir=$LIB; case $l in /lib64/*) dir=lib64 ;; esac
			[ -e "$I/$dir/${l##*/}" ] || cp -L "$l" "$I/$dir/"
		done
	done
	cp -L /lib/x86_64-linux-gnu/libgcc_s.so.1 "$I/$LIB/" # xl cancels threads
	: >"$I/etc/xen/xl.conf"
	for m in $modules; do
		cp "$X"/lib/modules/*/kernel/"$m.ko" "$I/m/"; echo "${m##*/}" >>"$I/m/order"
	done
	printf '#!/bin/sh\nexport PATH=/bin:/usr/bin\n' | tee "$I/etc/xen/scripts/vif-bridge" "$I/etc/xen/scripts/block" >"$I/init"
	cat >>"$I/etc/xen/scripts/vif-bridge" <<'S'
case $1 in online | add) ip link set $vif master xenbr0; ip link set $vif up; xenstore-write $XENBUS_PATH/hotplug-status connected ;; esac
S
	cat >>"$I/etc/xen/scripts/block" <<'S'
case $1 in
add) L=$(losetup -f); losetup $L "$(xenstore-read $XENBUS_PATH/params)"
	xenstore-write $XENBUS_PATH/node $L $XENBUS_PATH/physical-device "$(stat -c %t:%T $L)" $XENBUS_PATH/physical-device-path $L $XENBUS_PATH/hotplug-status connected ;;
remove) losetup -d "$(xenstore-read $XENBUS_PATH/node)" ;;
esac
S
	cat >>"$I/init" <<'S'
export PATH=/usr/lib/xen-4.17/bin:$PATH
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev; mkdir -p /dev/pts; mount -t devpts p /dev/pts
ln -s /proc/self/fd /dev/fd; ln -s fd/0 /dev/stdin; ln -s fd/1 /dev/stdout; ln -s fd/2 /dev/stderr
for m in $(cat /m/order); do insmod /m/$m.ko || echo "insmod $m failed"; done
mount -t xenfs x /proc/xen
xenstored --pid-file /run/xen/xenstored.pid; xenstore-write /local/domain/0/name Domain-0; xen-init-dom0 >/dev/null
xenconsoled --pid-file=/run/xen/xenconsoled.pid --log=guest --log-dir=/var/log/xen
ip link set lo up; ip link add xenbr0 type bridge; ip link set eth0 master xenbr0; ip link set eth0 up; ip link set xenbr0 up; ip addr add 10.0.2.3/24 dev xenbr0

domain() { n=$1; shift; { echo "name=\"$n\""; printf '%s\n' "$@"; } >/tmp/$n.cfg; xl create -q /tmp/$n.cfg || echo "$n was not created"; }
console() { cat /var/log/xen/guest-$1.log /var/log/xen/serial-$1.log /var/log/xen/qemu-dm-$1.log 2>/dev/null; }
lives() { xl domid $1 >/dev/null 2>&1; }
within() { # within SECS COMMAND... : again and again, until it succeeds
	read u r </proc/uptime; end=$((${u%.*} + $1)); shift
	until "$@"; do read u r </proc/uptime; [ ${u%.*} -lt $end ] || return 1; sleep 0.1; done
}
await() { within $3 eval "console $1 | grep -q '$2' || ! lives $1"; console $1 | grep -q "$2"; }
ended() { if within $2 eval "! lives $1"; then echo "$1 ended: $(grep -o 'reason code [0-9]*' /var/log/xen/xl-$1.log | tail -1)"; else echo "$1 did not end"; fi; }
. /g/script
poweroff -f
S
	chmod +x "$I/init" "$I"/etc/xen/scripts/*
}

pack() { (cd "$D/$1" && find . | cpio -o -H newc --quiet) >"$D/$1.cpio"; rm -rf "${D:?}/$1"; }

build() {
	local V kernel pair need=
	for pair in busybox:busybox-static cpio:cpio python3:python3 qemu-system-x86_64:qemu-system-x86; do
		command -v "${pair%%:*}" >/dev/null || need="$need ${pair#*:}"
	done
	[ -z "$need" ] || { echo "install these Debian packages first:$need" >&2; exit 2; }
	apt-cache show xen-hypervisor-4.17-amd64 >/dev/null 2>&1 || apt-get update -q
	rm -rf "$D/debs" "$X"; mkdir -p "$D/debs" "$X"; cd "$D/debs"
	kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends:/{print $2; exit}')
	# shellcheck disable=SC2086
	apt-get download -q -o Acquire::Retries=3 $packages "$kernel" >apt.log 2>&1 || { cat apt.log >&2; exit 1; }
	for f in *.deb; do dpkg -x "$f" "$X"; done
	gunzip -c "$X/boot/xen-4.17-amd64.gz" >"$D/xen.elf" # 32-bit, with a multiboot header: QEMU takes it
	# The kernel unpacked, which saves Xen seconds.
	V=$(basename "$X"/lib/modules/*)
	python3 - "$X/boot/vmlinuz-$V" "$D/vmlinux" <<'P'
import lzma, sys
d = open(sys.argv[1], 'rb').read()
open(sys.argv[2], 'wb').write(lzma.LZMADecompressor().decompress(d[d.find(b'\xfd7zXZ\0'):]))
P
	[ -e "$X/lib/x86_64-linux-gnu" ] || { mkdir -p "$X/lib"; ln -s "../$LIB" "$X/lib/x86_64-linux-gnu"; }
	# shellcheck disable=SC2086
	initramfs pvh $tools; pack pvh
	# shellcheck disable=SC2086
	initramfs hvm $tools usr/libexec/xen-qemu-system-i386
	mkdir -p "$D/hvm/$XEN/boot" "$D"/hvm/usr/share/{seabios,qemu}
	cp "$X/$XEN/boot/hvmloader" "$D/hvm/$XEN/boot/"
	cp "$X/usr/share/seabios/bios-256k.bin" "$D/hvm/usr/share/seabios/"
	cp -r "$X"/usr/share/seabios/vgabios-{stdvga,cirrus}.bin "$X"/usr/share/qemu/{kvmvapic.bin,keymaps} "$X/usr/lib/ipxe/qemu/efi-e1000.rom" "$D/hvm/usr/share/qemu/"
	pack hvm
	rm -rf "$D/debs" "$X"
	ls -l "$D"
}

run() {
	local script=$1 W base=pvh forward; shift
	W=${WORK:-$(mktemp -d)}; mkdir -p "$W/i/g"
	cp "$script" "$W/i/g/script"; [ $# = 0 ] || cp "$@" "$W/i/g/"
	[ -z "${HVM:-}" ] || base=hvm
	{ cat "$D/$base.cpio"; (cd "$W/i" && find . | cpio -o -H newc --quiet); } >"$W/initrd"
	forward=${FORWARD:+,hostfwd=${FORWARD//,/,hostfwd=}}
	exec qemu-system-x86_64 -accel tcg -machine q35 -cpu "${CPU:-max,-smap,-xsave}" -m "${MEM:-1536}" -nographic -nodefaults -no-reboot -serial stdio \
		-netdev "user,id=n$forward" -device e1000,netdev=n \
		-kernel "$D/xen.elf" -append "console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning dom0_mem=640M,max:640M dom0_max_vcpus=1 sched=credit" \
		-initrd "$D/vmlinux console=hvc0 quiet,$W/initrd" </dev/null
}

case $1 in
build) build ;;
run) shift 2; run "$@" ;;
*) sed -n '2,14s/^# //p' "$0" >&2; exit 2 ;;
esac
