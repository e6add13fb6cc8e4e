#!/bin/bash
# run-vbox.sh boots examples/web in VirtualBox, in the rig that vboxrig.sh makes:
# from a CD on IDE and from a disk on AHCI, with an e1000 and with VirtualBox's
# virtio-net, and fetches pages through VirtualBox's own port forward. It also lets
# VirtualBox read the same disk from all file formats that it knows. It ends with
# status 0 if all of that works. Arguments name some of these tests. env: RIG,
# a directory for what it builds, and vboxrig.sh's own.
set -eu
cd "$(dirname "$0")/../.."
rig=${RIG:-$HOME/.cache/ringo-vboxrig}

need=
for pair in qemu-system-x86_64:qemu-system-x86 debootstrap:debootstrap cpio:cpio xz:xz-utils; do
	command -v "${pair%%:*}" >/dev/null || need="$need ${pair#*:}"
done
[ -z "$need" ] || { echo "install these Debian packages first:$need" >&2; exit 2; }
[ -f "$rig/initrd.cpio" ] || tests/rigs/vboxrig.sh build "$rig"

go build -o "$rig/ringo" ./tools/ringo
"$rig/ringo" build -o "$rig/web.elf" ./examples/web
for format in iso raw qcow2 vmdk vdi vhd; do
	"$rig/ringo" image -f $format --set net.verbose=1 -o "$rig/web.$format" "$rig/web.elf"
done

script=$(mktemp)
trap 'rm -f "$script"' EXIT
cat >"$script" <<'S'
exec </dev/null
stty -F /dev/ttyS0 -echo # what vboxrig.sh sends is not for us
failed=0
names="NAMES"
# wanted NAME : was this test asked for?
wanted() {
	case " $names " in *" $1 "* | "  ") ;; *) return 1 ;; esac
}
# format NAME FORMAT : converts an image to a raw one and compares it
format() {
	wanted "$1" || return 0
	cp "/mnt/web.$2" /root/
	if VBoxManage clonemedium disk "/root/web.$2" "/root/$2.raw" --format RAW >/root/clone.txt 2>&1 && cmp "/root/$2.raw" /mnt/web.raw; then
		echo "ok $1"
	else
		echo "FAIL $1"
		cat /root/clone.txt
		failed=1
	fi
}
# web NAME IMAGE CONTROLLER CARD : boots an image and fetches pages
web() {
	wanted "$1" || return 0
	for try in 1 2 3; do
		machine "$@" && return
		# QEMU's emulated AMD-V can deliver an interrupt twice; the guest then says
		# this, and the fault is not its own.
		grep -q 'interrupts a processor that has interrupts off' "/root/$1.txt" || break
	done
	failed=1
}
# machine NAME IMAGE CONTROLLER CARD : the same in one virtual machine
machine() {
	echo "booting $1"
	cp "/mnt/$2" /root/
	case $2 in *.iso) kind=dvddrive boot=dvd ;; *) kind=hdd boot=disk ;; esac
	case $3 in PIIX4) bus=ide ;; *) bus=sata ;; esac
	log=/root/$1.txt
	{
		VBoxManage createvm --name "$1" --ostype Linux_64 --register --basefolder /root/vms
		# Nested paging does not work in emulated AMD-V. Without it VirtualBox
		# hides RDRAND, which it has elsewhere.
		VBoxManage modifyvm "$1" --memory 128 --nested-paging off --uart1 0x3f8 4 --uart-mode1 file "$log" --graphicscontroller vboxvga --vram 8 \
			--audio-driver none --usb off --nic1 nat --nictype1 "$4" --natpf1 web,tcp,127.0.0.1,8080,,8080 --boot1 $boot
		VBoxManage setextradata "$1" VBoxInternal/CPUM/IsaExts/RDRAND 1
		VBoxManage storagectl "$1" --name disks --add $bus --controller "$3"
		VBoxManage storageattach "$1" --storagectl disks --port 0 --device 0 --type $kind --medium "/root/$2"
	} >/root/manage.txt 2>&1 || cat /root/manage.txt
	VBoxHeadless --startvm "$1" --vrde off >/root/headless.txt 2>&1 &
	vm=$!
	for i in $(seq 120); do
		grep -q 'network is up' "$log" 2>/dev/null && grep -q 'serving on' "$log" && break
		kill -0 $vm 2>/dev/null || break
		sleep 1
	done
	pages=0
	while [ $pages -lt 100 ] && [ "$(curl -s -m 20 http://127.0.0.1:8080/)" = 'hello from ringo' ]; do pages=$((pages + 1)); done
	if [ $pages = 100 ]; then
		echo "ok $1"
	else
		echo "FAIL $1: $pages pages"
		cat "$log" /root/headless.txt
		grep -A 40 'Guru Meditation' "/root/vms/$1/Logs/VBox.log"
	fi
	kill $vm 2>/dev/null
	wait $vm
	VBoxManage unregistervm "$1" --delete >/dev/null 2>&1
	[ $pages = 100 ]
}
web cd-ide-e1000 web.iso PIIX4 82540EM
web cd-ide-virtio web.iso PIIX4 virtio
web disk-ahci-e1000 web.vdi IntelAhci 82540EM
web disk-ahci-virtio web.vdi IntelAhci virtio
for f in qcow2 vmdk vdi vhd; do format format-$f $f; done
VBoxManage --version
exit $failed
S

sed -i "s/^names=.*/names=\"$*\"/" "$script"

log=$rig/log
tests/rigs/vboxrig.sh run "$rig" "$script" "$rig"/web.{iso,raw,qcow2,vmdk,vdi,vhd} | sed -u 's/\r//g' | tee "$log"
grep -q '^VBOXRIG exit 0' "$log"
