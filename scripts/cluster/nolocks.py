"""A file system without locks, such as Lustre mounted without them: shards, and a table at the end."""
import os
import shutil
import subprocess

from .processes import Failure, ask, require, wait_for
from .trial import Once, n_finished

N_SHARDS = 3
# What flock answers there.
SOURCE = """
#include <errno.h>
int flock(int file, int operation) { (void)file; (void)operation; errno = %s; return -1; }
"""


def provide():
    if not shutil.which("cc"):
        raise Failure("cc: no C compiler here; Debian: apt install gcc libc6-dev")


def run(trial, root):
    for error in ["ENOSYS", "ENOLCK"]:
        print("nolocks: %d runs where flock is %s; three shards" % (trial.n_runs, error), flush=True)
        source, shim = root / (error + ".c"), root / (error + ".so")
        source.write_text(SOURCE % error)
        ask(["cc", "-shared", "-fPIC", "-o", shim, source])
        without = {**os.environ, "LD_PRELOAD": str(shim)}
        one_error(trial, trial.folder("nolocks-" + error), without)


def one_error(trial, folder, without):
    refused = subprocess.run(trial.command(folder, "--quiet"), capture_output=True, text=True, env=without)
    said = refused.stderr.strip()
    require(refused.returncode not in (0, 75), "without locks a sweep was made")
    require("--shard" in said, "does not name --shard: %s" % said)
    print("  refused with %d: %s" % (refused.returncode, said.replace("\n", " ")), flush=True)
    shutil.rmtree(folder, ignore_errors=True)

    def begin(shard):
        command = trial.command(folder, "--shard", "%d/%d" % (shard, N_SHARDS), "--quiet")
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=without)

    with Once(folder):
        shards = [begin(shard) for shard in range(1, N_SHARDS + 1)]
        wait_for(lambda: n_finished(folder) >= 1, 60, "the first run")
        shards[1].kill()
        shards[1].communicate()
        early = subprocess.run(trial.command(folder, "--collect"), capture_output=True, text=True, env=without)
        n_finished_then = n_finished(folder)
        # Nobody but a person knows that it is gone.
        shards[1] = begin(2)
        for shard in shards:
            said, _ = shard.communicate(timeout=120)
            require(shard.returncode == 0, "a shard ended with %d: %s" % (shard.returncode, said))
        require(n_finished(folder) == trial.n_runs, "%d runs" % n_finished(folder))
        if n_finished_then < trial.n_runs:
            require(early.returncode == 1, "--collect of a part ended with %d: %s" % (early.returncode, early.stderr))
        ask(trial.command(folder, "--collect"), env=without)
    trial.check(folder)
