"""HyperQueue: a server and three workers, each a process of its own, one of which is killed."""
import os
import subprocess
import sys
from pathlib import Path

from .processes import Failure, ask, require, wait_for
from .trial import Once, n_finished

HQ = Path(__file__).resolve().parent / "hq"
N_WORKERS = 3


def provide(venv, may_install):
    """A Python that has HyperQueue."""
    for python in [Path(sys.executable), venv / "bin" / "python"]:
        if python.exists() and subprocess.run([python, "-c", "import hyperqueue"], capture_output=True).returncode == 0:
            return python
    if not may_install:
        raise Failure("HyperQueue is not here; `pip install hyperqueue`, or --install")
    ask([sys.executable, "-m", "venv", venv])
    ask([venv / "bin" / "pip", "install", "--quiet", "hyperqueue"], patience=300)
    return venv / "bin" / "python"


class Cluster:
    def __init__(self, root, python):
        self.root, self.python, self.processes = root, python, {}
        self.server = root / "server"

    def start(self, name, *arguments):
        log = self.root / (name + ".log")
        with open(log, "wb") as file:
            command = [self.python, HQ / "processes.py", *arguments]
            # Who is killed leaves its temporary files.
            environment = {**os.environ, "TMPDIR": str(self.root)}
            self.processes[name] = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=environment)
        wait_for(lambda: "is there" in log.read_text(), 30, "HyperQueue's %s (%s)" % (name, log))

    def __enter__(self):
        self.root.mkdir(parents=True)
        self.start("server", "server", self.server)
        for i in range(N_WORKERS):
            self.start("worker-%d" % i, "worker", self.server, self.root / ("worker-%d" % i))
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.kill()
            process.wait()

    def hq(self):
        """The program `hq`: pip's package has none."""
        hq = self.root / "hq"
        hq.write_text('#!/bin/sh\nHQ_SERVER_DIR="%s" exec "%s" "%s" "$@"\n' % (self.server, self.python, HQ / "hq.py"))
        hq.chmod(0o755)
        return hq


def run(trial, root, python):
    print("hyperqueue: %d runs, three workers; one is killed" % trial.n_runs, flush=True)
    folder = trial.folder("hyperqueue")
    logs = root / "hyperqueue-logs"
    logs.mkdir(parents=True)
    with Cluster(root / "hyperqueue-server", python) as cluster, Once(folder) as once:
        command = trial.command(folder, "--submit", "hyperqueue", "--tasks", N_WORKERS)
        hq = cluster.hq()
        environment = {**os.environ, "PATH": "%s:%s" % (hq.parent, os.environ["PATH"])}
        with open(logs / "followed", "w") as log:
            follower = subprocess.Popen(command, cwd=logs, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        wait_for(lambda: n_finished(folder) >= trial.n_runs // 8 or follower.poll(), 60, "the first runs")
        before = n_finished(folder)
        require(before < trial.n_runs, "the sweep was over before anything could die")
        cluster.processes["worker-1"].kill()
        print("  a worker was killed with %d of %d runs finished" % (before, trial.n_runs), flush=True)
        wait_for((folder / "runs.parquet").exists, 600, "the table")
        secs = once.secs()
        status = follower.wait(60)
        require(status == 0, "--submit ended with %d: %s" % (status, (logs / "followed").read_text()[-2000:]))
        # The lost worker's task, too, begins again and ends.
        ask([hq, "job", "wait", "1"], patience=60)
    trial.check(folder)
    trial.says("until the table was there", secs, N_WORKERS)
