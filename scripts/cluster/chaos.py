"""Four workers in one folder, killed at random times, again and again."""
import random
import subprocess
import tempfile
import time

from .processes import require
from .trial import Once, n_finished

N_WORKERS = 4
N_KILLS = 200
# Between two kills, on average.
MEAN_SECS = 0.3
# Workers live less long than the long runs take, which therefore end only if others go on with them.
CHECKPOINT_SECS = 0.2


class Worker:
    """A worker that is there again when it was killed."""

    def __init__(self, command):
        self.command, self.said = command, tempfile.TemporaryFile("w+")
        self.is_done = False
        self.begin()

    def begin(self):
        self.was_killed = False
        self.process = subprocess.Popen(self.command, stdout=self.said, stderr=self.said, stdin=subprocess.DEVNULL)

    def kill(self):
        """Whether it was alive."""
        if self.is_done or self.process.poll() is not None:
            return False
        self.process.kill()
        self.was_killed = True
        return True

    def look(self):
        status = self.process.poll()
        if self.is_done or status is None:
            return
        if status == 0:
            self.is_done = True
        else:
            self.said.seek(0)
            require(self.was_killed and status == -9, "a worker ended with %d: %s" % (status, self.said.read()[-2000:]))
            self.begin()


def run(trial, seed):
    print("chaos: %d runs, four workers in one folder, %d kills, seed %d" % (trial.n_runs, N_KILLS, seed), flush=True)
    random_numbers = random.Random(seed)
    n_kills, n_sweeps, begun = 0, 0, time.monotonic()
    # A sweep may be over before all kills are spent: then another one.
    while n_kills < N_KILLS:
        n_sweeps += 1
        n_here = one_sweep(trial, trial.folder("chaos-%d" % n_sweeps), random_numbers, N_KILLS - n_kills)
        n_kills += n_here
    print("  %d kills, %d sweeps of %d runs in %.0f s" % (n_kills, n_sweeps, trial.n_runs, time.monotonic() - begun), flush=True)


def one_sweep(trial, folder, random_numbers, kills_left):
    n_kills = 0
    command = trial.command(folder, "--workers", "1", "--checkpoint", CHECKPOINT_SECS, "--quiet", "--json")
    with Once(folder):
        workers = [Worker(command) for _ in range(N_WORKERS)]
        due = time.monotonic() + random_numbers.expovariate(1 / MEAN_SECS)
        deadline = time.monotonic() + 240
        while not all(worker.is_done for worker in workers):
            time.sleep(0.005)
            for worker in workers:
                worker.look()
            if time.monotonic() >= due and n_kills < kills_left:
                n_kills += random_numbers.choice(workers).kill()
                due = time.monotonic() + random_numbers.expovariate(1 / MEAN_SECS)
            require(time.monotonic() < deadline, "%d of %d runs after 240 s" % (n_finished(folder), trial.n_runs))
    trial.check(folder)
    return n_kills
