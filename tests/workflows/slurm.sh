#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A Slurm cluster of a controller and two nodes, each in a network namespace of its own: the word
# count of examples/slurm as a batch job, its publications going from node to node.
. "${abs_top_srcdir:-.}/tests/functions.sh" || exit 99
. "$abs_top_srcdir/tests/examples/functions.sh"

[ "$(id -u)" -eq 0 ] || skip "slurmd needs root"
for program in slurmctld slurmd srun sbatch sinfo squeue scancel munged; do
	command -v $program >/dev/null || skip "no $program: install slurm-wlm and munge"
done
! nm -D "$abs_top_builddir/.libs/librmmap.so" | grep -q ' U __[atu][a-z]*san_' ||
	skip "the sanitizer that the library has is not in every program that Slurm starts"

id=rmmap-slurm-$$
net=10.79.0
drop_net() { ip netns del "$1" 2>/dev/null || :; }

# ---- three hosts at one bridge ----
for host in c0 n1 n2; do
	cleanup_fn drop_net "$id-$host"
	requires ip netns add "$id-$host"
	requires nsenter --net="/run/netns/$id-$host" ip link set lo up
done
requires ip -n "$id-c0" link add br0 type bridge
ip -n "$id-c0" addr add $net.10/24 dev br0
ip -n "$id-c0" link set br0 up
for host in n1 n2; do
	requires ip -n "$id-c0" link add $host type veth peer name eth0 netns "$id-$host"
	ip -n "$id-c0" link set $host master br0 up
	ip -n "$id-$host" addr add "$net.${host#n}/24" dev eth0
	ip -n "$id-$host" link set eth0 up
done

# ---- munge and Slurm, with all files in the test's own directory ----
mkdir "$tmp/munge" "$tmp/etc" "$tmp/state" "$tmp/nodes" || exit 99
chmod 755 "$tmp" "$tmp/munge"
head -c 1024 /dev/urandom >"$tmp/munge/key"
chmod 600 "$tmp/munge/key"
SLURM_CONF=$tmp/etc/slurm.conf
export SLURM_CONF
cat >"$SLURM_CONF" <<END
ClusterName=rmmap
SlurmctldHost=c0($net.10)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$tmp/munge/socket
CredType=cred/munge
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
StateSaveLocation=$tmp/state
SlurmctldPidFile=$tmp/slurmctld.pid
SlurmctldLogFile=$tmp/slurmctld.log
SlurmdPidFile=$tmp/slurmd-%n.pid
SlurmdLogFile=$tmp/slurmd-%n.log
SlurmdSpoolDir=$tmp/spool-%n
KillWait=5
InactiveLimit=0
PropagateResourceLimits=NONE
NodeName=n1 NodeAddr=$net.1 NodeHostname=n1 CPUs=4 State=UNKNOWN
NodeName=n2 NodeAddr=$net.2 NodeHostname=n2 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=10 State=UP OverSubscribe=YES
END
cat >"$tmp/etc/cgroup.conf" <<END
CgroupPlugin=cgroup/v1
CgroupAutomount=yes
END

broken()
{
	for _log in "$tmp"/slurm*.log "$tmp"/*.out; do
		echo "---- $_log" >&2
		tail -n 20 "$_log" >&2
	done
	fail "$*"
}
# end_pid PID - and what it started, if it is a slurmstepd of ours
end_pid()
{
	kill -TERM "$1" 2>/dev/null || return 0
	wait_for 5 _gone "$1" || kill -KILL "$1" 2>/dev/null
	return 0
}
# Steps that a test which failed leaves behind: they have its slurm.conf in their environment.
end_steps()
{
	for _dir in /proc/[0-9]*; do
		{ tr '\0' '\n' <"$_dir/environ" | grep -qx "SLURM_CONF=$SLURM_CONF"; } 2>/dev/null ||
			continue
		[ "${_dir#/proc/}" = $$ ] || kill -KILL "${_dir#/proc/}" 2>/dev/null || :
	done
}

# node HOST COMMAND... - with a name of its own, and cgroups of version 1 if they can be mounted
cat >"$tmp/node" <<'END'
hostname "$1"
shift
mount --make-rprivate /
mount -t tmpfs -o mode=755 none /sys/fs/cgroup || exit 9
for controller in freezer memory cpuset cpu cpuacct devices; do
	mkdir "/sys/fs/cgroup/$controller"
	mount -t cgroup -o "$controller" none "/sys/fs/cgroup/$controller" || exit 9
done
exec "$@"
END
node()
{
	_host=$1
	shift
	exec nsenter --net="/run/netns/$id-$_host" unshare -u -m sh "$tmp/node" "$_host" "$@"
}
(node n1 true) >"$tmp/cgroups" 2>&1 ||
	skip "slurmd needs cgroups of version 1, which cannot be mounted: $(tail -n 1 "$tmp/cgroups")"

cleanup_fn end_steps
munged --foreground --force --key-file="$tmp/munge/key" --socket="$tmp/munge/socket" \
	--pid-file="$tmp/munge/pid" --log-file="$tmp/munge/log" --seed-file="$tmp/munge/seed" \
	>"$tmp/munged.out" 2>&1 &
cleanup_fn end_pid $!
wait_for 120 test -S "$tmp/munge/socket" || broken "munged does not start"
nsenter --net="/run/netns/$id-c0" unshare -u sh -c 'hostname c0; exec slurmctld -D -i' \
	>"$tmp/slurmctld.out" 2>&1 &
cleanup_fn end_pid $!
for host in n1 n2; do
	(node $host slurmd -D -N $host) >"$tmp/slurmd-$host.out" 2>&1 &
	cleanup_fn end_pid $!
done
on_c0() { timeout 100 nsenter --net="/run/netns/$id-c0" "$@"; }
both_idle() { [ "$(on_c0 sinfo -h -N -o '%T' 2>/dev/null | grep -c '^idle$')" -eq 2 ]; }
wait_for 120 both_idle || broken "the nodes do not become idle: $(on_c0 sinfo -N 2>&1)"
echo "a cluster of two nodes: $(slurmctld -V)"

# ---- the job ----
yes 'the quick brown fox jumps over the lazy dog and the cat' | head -n 20000 >"$tmp/one"
seq 1 30000 >"$tmp/two"
SLURM_EXAMPLES=$abs_top_srcdir/examples/slurm
RMMAPD=$RMMAP_DAEMON
RMMAP_NODE_DIR=$tmp/nodes
RMMAP_FABRIC=tcp@eth0
RMMAP_LOG=$tmp/rmmapd.log
export SLURM_EXAMPLES RMMAPD RMMAP_NODE_DIR RMMAP_FABRIC RMMAP_LOG
job=$(on_c0 sbatch --parsable --output="$tmp/job.out" --error="$tmp/job.err" \
	"$SLURM_EXAMPLES/wordcount.sbatch" "$tmp/one" "$tmp/two") || broken "sbatch"
finished() { [ -z "$(on_c0 squeue -h -j "$job" 2>/dev/null)" ]; }
wait_for 120 finished || broken "the job does not end: $(on_c0 squeue; cat "$tmp/job.err")"
on_c0 scontrol show job "$job" >"$tmp/job" 2>&1
grep -q 'JobState=COMPLETED' "$tmp/job" || broken "the job: $(cat "$tmp/job" "$tmp/job.err")"
coreutils "$tmp/one" "$tmp/two" >"$tmp/want"
cmp "$tmp/want" "$tmp/job.out" || broken "not the count of coreutils: $(cat "$tmp/job.err")"
echo "$(wc -l <"$tmp/want") different words, counted by 4 mappers on 2 nodes"

# publications went over the network, in both directions; nothing is left of the job
for address in 1 2; do
	grep -q "listening on $net.$address:" "$RMMAP_LOG" || broken "nothing was published on n$address"
done
[ -z "$(ls -A "$tmp/nodes")" ] || broken "left behind: $(ls -A "$tmp/nodes")"
for pid in $(sed -n 's/.*rmmapd\[\([0-9]*\)\].*/\1/p' "$RMMAP_LOG" | sort -u); do
	wait_for 120 _gone "$pid" || broken "an rmmapd is left behind"
done

# ---- a job whose input is not there fails, and leaves nothing either ----
job=$(on_c0 sbatch --parsable --output="$tmp/bad.out" --error="$tmp/bad.err" \
	"$SLURM_EXAMPLES/wordcount.sbatch" "$tmp/three") || broken "sbatch"
wait_for 120 finished || broken "the job does not end: $(on_c0 squeue)"
on_c0 scontrol show job "$job" >"$tmp/job" 2>&1
grep -q 'JobState=FAILED' "$tmp/job" || broken "the job: $(cat "$tmp/job" "$tmp/bad.err")"
grep -q three "$tmp/bad.err" || broken "it does not say why: $(cat "$tmp/bad.err")"
[ ! -s "$tmp/bad.out" ] && [ -z "$(ls -A "$tmp/nodes")" ] || broken "left behind: $(ls -A "$tmp/nodes")"
