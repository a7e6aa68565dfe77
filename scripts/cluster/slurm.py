"""Slurm: three nodes on one machine, one of which dies, and a worker that is preempted."""
import getpass
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from .processes import Failure, ask, command_line, descendants, everybody, kill, marked, require, wait_for
from .trial import Once, n_finished

PACKAGES = ["slurmctld", "slurmd", "slurm-client", "munge"]
PROGRAMS = ["slurmctld", "slurmd", "sbatch", "scontrol", "munged"]
NODES = ["n1", "n2", "n3"]


def provide(may_install):
    """Finds Slurm's programs, or installs them."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if not missing:
        return
    install = "apt-get install --yes --no-install-recommends %s" % " ".join(PACKAGES)
    if not may_install:
        raise Failure("%s: not here; `%s`, or --install" % (", ".join(missing), install))
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise Failure("%s: not here, and cannot be installed without apt-get and root" % ", ".join(missing))
    ask(["apt-get", "-qq", "update"], patience=300)
    ask(install.split(), patience=600, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def free_ports(n):
    sockets = [socket.socket() for _ in range(n)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    """A controller and three nodes of one core each, all on this machine, with files in one folder."""

    def __init__(self, root):
        self.root, self.processes = Path(root), {}
        for name in ["munge", "state", "spool", "log"]:
            (self.root / name).mkdir(parents=True)
        self.conf = self.root / "slurm.conf"
        self.conf.write_text(self.configuration())
        os.environ["SLURM_CONF"] = str(self.conf)

    def configuration(self):
        host, user, root = socket.gethostname().split(".")[0], getpass.getuser(), self.root
        controller, *ports = free_ports(1 + len(NODES))
        lines = [
            "ClusterName=trial",
            "SlurmctldHost=%s(127.0.0.1)" % host,
            "SlurmctldPort=%d" % controller,
            "SlurmUser=%s" % user,
            "SlurmdUser=%s" % user,
            "AuthType=auth/munge",
            # A job that is queued again waits until its credentials have expired, usually two minutes.
            "AuthInfo=socket=%s/munge/socket,cred_expire=5" % root,
            "StateSaveLocation=%s/state" % root,
            "SlurmdSpoolDir=%s/spool/%%n" % root,
            "SlurmctldPidFile=%s/slurmctld.pid" % root,
            "SlurmdPidFile=%s/slurmd-%%n.pid" % root,
            "SlurmctldLogFile=%s/log/slurmctld.log" % root,
            "SlurmdLogFile=%s/log/slurmd-%%n.log" % root,
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_Core",
            "MpiDefault=none",
            "ReturnToService=2",
            "SlurmdParameters=config_overrides",
            "SchedulerParameters=sched_interval=1,batch_sched_delay=1",
            # After so long without a word a node is down.
            "SlurmdTimeout=10",
            "KillWait=5",
            "PreemptType=preempt/partition_prio",
            "PreemptMode=REQUEUE",
        ]
        for name, port in zip(NODES, ports):
            lines.append("NodeName=%s NodeHostname=%s NodeAddr=127.0.0.1 Port=%d CPUs=1 RealMemory=500" % (name, host, port))
        lines.append("PartitionName=all Nodes=ALL Default=YES PriorityTier=1 State=UP")
        lines.append("PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=OFF State=UP")
        return "\n".join(lines) + "\n"

    def start(self, name, command):
        with open(self.root / "log" / (name + ".out"), "ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def __enter__(self):
        key = self.root / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        munge = {"--key-file": key, "--pid-file": "pid", "--socket": "socket", "--log-file": "log", "--seed-file": "seed"}
        options = ["%s=%s" % (option, self.root / "munge" / name) for option, name in munge.items()]
        self.start("munged", ["munged", "--foreground", *options])
        wait_for((self.root / "munge" / "socket").exists, 20, "munged")
        self.start("slurmctld", ["slurmctld", "-D"])
        for node in NODES:
            self.start(node, ["slurmd", "-D", "-N", node])
        wait_for(lambda: self.states() == ["idle"] * len(NODES), 60, "idle nodes (%s)" % (self.root / "log"))
        return self

    def __exit__(self, *_):
        subprocess.run(["scancel", "--user", getpass.getuser()], capture_output=True)
        time.sleep(1)
        # They have no mark.
        kill(self.scripts().values())
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def states(self):
        said = subprocess.run(["sinfo", "--noheader", "--Node", "--partition=all", "--format=%T"], capture_output=True, text=True)
        return said.stdout.split()

    def queue(self):
        """By the place in the array what is queued or runs: number, state, node."""
        said = ask(["squeue", "--noheader", "--array", "--format=%K|%A|%T|%N"]).splitlines()
        return {int(place): rest for place, *rest in (line.split("|") for line in said)}

    def kill_node(self, node):
        """The node with all that runs on it: its daemon, the daemon of its step, the script, the worker. The job's number."""
        steps = {parent for pid, parent in self.scripts().items() if "/spool/%s/" % node in command_line(pid)}
        require(len(steps) == 1, "step daemons on %s: %s" % (node, steps))
        step = steps.pop()
        require(command_line(step).startswith("slurmstepd"), "%d is no step daemon: %s" % (step, command_line(step)))
        on_it = descendants(step)
        require(len(on_it) >= 3, "on %s there are no script and worker: %s" % (node, on_it))
        job = next(number for number, _, where in self.queue().values() if where == node)
        daemon = self.processes.pop(node)
        daemon.kill()
        kill(on_it)
        daemon.wait()
        return job

    def scripts(self):
        """The job scripts that run here, and their parents, which give their own environment away."""
        parents = everybody()
        return {pid: parents[pid] for pid in marked() if pid in parents and str(self.root / "spool") in command_line(pid)}

    def wait_until_empty(self, patience):
        wait_for(lambda: not self.queue(), patience, "an empty queue")

    def restarts(self, job):
        """How often a job began again. Of an array the first line is not always its first task."""
        said = ask(["scontrol", "--oneliner", "show", "job", job]).splitlines()
        line = next(line for line in said if line.startswith("JobId=%s " % job))
        return int(re.search(r" Restarts=(\d+)", line)[1])


def submit(trial, folder, typed_in):
    """Hands the sweep to Slurm as three workers; the process that follows it."""
    command = trial.command(folder, "--submit", "slurm", "--tasks", len(NODES), "--time", "00:10:00")
    typed_in.mkdir(parents=True)
    with open(typed_in / "followed", "w") as log:
        return subprocess.Popen(command, cwd=typed_in, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def run(trial, root):
    with Cluster(root / "slurm-daemons") as cluster:
        part(trial, cluster, root, "node", "a node dies", dies)
        part(trial, cluster, root, "preempted", "one worker meets its limit, the others are preempted", are_preempted)


def part(trial, cluster, root, name, what, disturb):
    print("slurm: %d runs, three workers; %s" % (trial.n_runs, what), flush=True)
    folder, typed_in = trial.folder("slurm-" + name), root / ("slurm-%s-typed" % name)
    with Once(folder) as once:
        follower = submit(trial, folder, typed_in)
        wait_for(lambda: n_finished(folder) >= trial.n_runs // 8 or follower.poll(), 60, "the first runs")
        disturb(trial, cluster, folder)
        wait_for((folder / "runs.parquet").exists, 600, "the table")
        secs = once.secs()
        # What was queued again looks at the folder and ends.
        cluster.wait_until_empty(90)
        status = follower.wait(30)
        said = (typed_in / "followed").read_text()
        require(status == 0, "--submit ended with %d: %s" % (status, said[-2000:]))
    trial.check(folder)
    n_made = said_of_workers(folder)
    if name != "node":
        # Who dies without a word does not say what it made.
        require(n_made == trial.n_runs, "the workers say that they made %d runs" % n_made)
    trial.says("until the table was there", secs, len(NODES))


def said_of_workers(folder):
    """Reads the logs of the workers; how many runs they say that they made, all together."""
    n_made = 0
    for log in sorted(folder.glob("slurm-*.log")):
        text = log.read_text()
        wrong = [line for line in text.splitlines() if "error" in line and not line.startswith("slurmstepd")]
        require(not wrong, "%s: %s" % (log, wrong[:1]))
        for n_runs, n_stored, n_failed in re.findall(r"^(\d+) runs, (\d+) of them stored before, (\d+) failed$", text, re.M):
            require(n_failed == "0", "%s: %s runs failed" % (log, n_failed))
            n_made += int(n_runs) - int(n_stored)
    return n_made


def dies(trial, cluster, folder):
    before = n_finished(folder)
    require(before < trial.n_runs, "the sweep was over before anything could die")
    job = cluster.kill_node("n2")
    wait_for(lambda: cluster.restarts(job) == 1, 60, "Slurm queues the job again")
    print("  n2 died with %d of %d runs finished; its job was queued again" % (before, trial.n_runs), flush=True)
    cluster.start("n2", ["slurmd", "-D", "-N", "n2"])


def are_preempted(trial, cluster, folder):
    """One by the signal that Slurm sends before the time limit, the others by a job that is more urgent."""
    jobs = {place: job for place, (job, state, _) in cluster.queue().items() if state == "RUNNING"}
    require(len(jobs) == len(NODES), "running: %s" % jobs)
    before = n_finished(folder)
    ask(["scancel", "--signal=USR1", "--batch", jobs[2]])
    wait_for(lambda: cluster.restarts(jobs[2]) == 1, 30, "a worker that was told of its limit is queued again")
    ask(["sbatch", "--partition=urgent", "--nodes=3", "--output=/dev/null", "--wrap=sleep 1"])
    wait_for(lambda: all(cluster.restarts(jobs[place]) for place in (1, 3)), 30, "Slurm queues again what it preempted")
    after = n_finished(folder)
    require(after < trial.n_runs, "the sweep was over before all were preempted")
    print("  with %d of %d runs finished one met its limit, with %d none was left; all queued again" % (before, trial.n_runs, after), flush=True)
