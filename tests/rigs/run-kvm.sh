#!/bin/bash
# run-kvm.sh runs hello, web and the guests of tests/guests on hardware-type KVM
# (AMD-V), in the rig that kvmrig.sh makes. It ends with status 0 if all of them
# do there what they do here. env: RIG, a directory for what it builds (outside
# /tmp, which the rig hides), and kvmrig.sh's own.
#   run-kvm.sh [GUEST...]   under ringo's monitor
#   run-kvm.sh metal        hello and web alone, in QEMU with that KVM, on each machine by each way to boot
set -eu
cd "$(dirname "$0")/../.."
rig=${RIG:-$HOME/.cache/ringo-rig}
guests=${*:-ends faults sched memory clock signals pipes syscalls random mappings}

need=
for pair in qemu-system-x86_64:qemu-system-x86 busybox:busybox-static depmod:kmod cpio:cpio xz:xz-utils curl:curl; do
	command -v "${pair%%:*}" >/dev/null || need="$need ${pair#*:}"
done
[ -z "$need" ] || { echo "install these Debian packages first:$need" >&2; exit 2; }
mkdir -p "$rig"
[ -f "$rig/initrd.cpio" ] || tests/rigs/kvmrig.sh build "$rig"

go build -o "$rig/ringo" ./tools/ringo
"$rig/ringo" build -o "$rig/hello.elf" ./examples/hello
"$rig/ringo" build -o "$rig/web.elf" ./examples/web

# What the rig does: run each property, compare its status with the one of the
# same property here, as a process.
script=$(mktemp)
trap 'rm -f "$script"' EXIT
cat >"$script" <<S
failed=0
run() { # run STATUS NAME FLAGS... : ringo run must end with STATUS
	want=\$1 name=\$2; shift 2
	echo "   \$name, at most 120 s"
	$rig/ringo run --timeout 120s "\$@" >/tmp/out 2>&1; got=\$?
	if [ \$got = \$want ]; then echo "ok \$name"; else echo "FAIL \$name: status \$got, want \$want"; cat /tmp/out; failed=1; fi
}
web() { # web NAME FLAGS... : ringo run must serve a page
	name=\$1; shift; rm -f /tmp/page
	echo "   \$name, at most 3 minutes"
	$rig/ringo run -p 8080:8080 "\$@" $rig/web.elf >/tmp/web 2>&1 & web=\$!
	for i in \$(seq 30); do
		curl -s -m 5 http://127.0.0.1:8080/ >/tmp/page && break; sleep 1
	done
	if [ "\$(cat /tmp/page)" = 'hello from ringo' ]; then echo "ok \$name"; else echo "FAIL \$name"; cat /tmp/web; failed=1; fi
	kill \$web; wait \$web; echo "\$name ended with status \$?"
}
S
if [ "$guests" = metal ]; then
	# QEMU before 8.1 does not let KVM know of a guest's XSETBV.
	export CPU=${CPU:-max,-xsave}
	for machine in pc q35 microvm; do
		for way in multiboot pvh iso; do
			[ $machine/$way != microvm/iso ] || continue
			flags="--vmm qemu --accel kvm --machine $machine --boot $way"
			for cpus in 1 2; do
				echo "run 0 metal/hello/$machine/$way/$cpus $flags --net none --smp $cpus $rig/hello.elf"
			done
			echo "web metal/web/$machine/$way $flags"
		done
	done >>"$script"
	guests=
else
	echo "run 0 hello $rig/hello.elf; web web" >>"$script"
fi
for guest in $guests; do
	"$rig/ringo" build -o "$rig/$guest.elf" "./tests/guests/$guest"
	for property in $("$rig/$guest.elf"); do
		# What holds of virtual machines only, and what compares with this
		# machine's clock, is left to the other tests.
		case $guest/$property in ends/memory | memory/writeexe | syscalls/unknown | syscalls/fork | clock/host | clock/local) continue ;; esac
		status=0
		{ timeout 60 "$rig/$guest.elf" "$property" || status=$?; } >/dev/null 2>&1 # bash would tell of signals
		for cpus in 1 2; do
			echo "run $status $guest/$property/$cpus --net none --smp $cpus $rig/$guest.elf -- $property" >>"$script"
		done
	done
done
echo 'exit $failed' >>"$script"

log=$rig/log
SECS=${SECS:-3000} tests/rigs/kvmrig.sh run "$rig" "$script" | tr -d '\r' | tee "$log"
grep -q '^KVMRIG exit 0' "$log"
