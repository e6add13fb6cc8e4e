#!/bin/bash
# run-kvm.sh runs hello, web and the guests of tests/guests on hardware-type KVM
# (AMD-V), in the rig that kvmrig.sh makes. It ends with status 0 if all of them
# do there what they do here. env: RIG, a directory for what it builds (outside
# /tmp, which the rig hides), and kvmrig.sh's own.
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
	$rig/ringo run --timeout 120s "\$@" >/tmp/out 2>&1; got=\$?
	if [ \$got = \$want ]; then echo "ok \$name"; else echo "FAIL \$name: status \$got, want \$want"; cat /tmp/out; failed=1; fi
}
run 0 hello $rig/hello.elf
$rig/ringo run -p 8080:8080 $rig/web.elf >/tmp/web 2>&1 & web=\$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	curl -s -m 5 http://127.0.0.1:8080/ >/tmp/page && break; sleep 1
done
if [ "\$(cat /tmp/page)" = 'hello from ringo' ]; then echo ok web; else echo FAIL web; cat /tmp/web; failed=1; fi
kill \$web; wait \$web; echo "web ended with status \$?"
S
for guest in $guests; do
	"$rig/ringo" build -o "$rig/$guest.elf" "./tests/guests/$guest"
	for property in $("$rig/$guest.elf"); do
		# What holds of virtual machines only, and what compares with this
		# machine's clock, is left to the other tests.
		case $guest/$property in ends/memory | memory/writeexe | syscalls/unknown | clock/host) continue ;; esac
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
