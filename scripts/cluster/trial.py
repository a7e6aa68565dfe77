"""One sweep, made on one machine undisturbed and then elsewhere, and what has to be equal."""
import json
import os
import threading
import time
from pathlib import Path

from .processes import ask, require

# Files of a run of a sweep; the lock stays where a run was made.
IN_A_RUN = {"spec.toml", "log.jsonl", "manifest.json", "checkpoints", "lock"}


class Trial:
    """A sweep of copying-small: runs of so many steps, each with so many seeds."""

    def __init__(self, precipice, root, steps, n_seeds):
        self.precipice, self.root, self.n_runs = precipice, Path(root), len(steps) * n_seeds
        self.options = ["copying-small", "-g", "train.steps=" + ",".join(map(str, steps)), "--seeds", "0..%d" % (n_seeds - 1)]
        self.options += ["-s", "eval.sequences=64", "-s", "probes.sequences=16"]
        self.undisturbed = self.folder("undisturbed")
        ask(self.command(self.undisturbed, "--workers", "1", "--quiet"), patience=600)
        self.runs = {run.name: manifest(run) for run in runs_of(self.undisturbed)}
        require(len(self.runs) == self.n_runs, "undisturbed: %d runs of %d" % (len(self.runs), self.n_runs))
        self.work_secs = sum(run["seconds"] for run in self.runs.values())

    def folder(self, part):
        # One name everywhere, as figures show it.
        return self.root / part / "sweep"

    def command(self, folder, *options):
        return [str(word) for word in [self.precipice, "sweep", *self.options, "--out", folder, *options]]

    def check(self, folder):
        """That the folder is as if nothing had happened: every run once, every byte, table and figures."""
        # Enters the folder as one more worker, which has nothing left to do.
        report = json.loads(ask(self.command(folder, "--json", "--quiet")))
        require(not report["failed"], "failed: %s" % report["failed"][:2])
        require(not report["stopped"] and report["skipped"] == self.n_runs, "made again: %s" % report["skipped"])
        hashes = [run["spec_hash"] for run in report["runs"]]
        require(len(set(hashes)) == len(hashes) == self.n_runs, "in the report: %d runs" % len(set(hashes)))

        left_over = [str(path) for path in folder.rglob(".precipice-tmp-*")]
        require(not left_over, "left over: %s" % left_over[:3])
        runs = runs_of(folder)
        require({run.name for run in runs} == set(self.runs), "other runs: %s" % [run.name for run in runs][:3])
        for run in runs:
            found = {path.name for path in run.iterdir()}
            require(found <= IN_A_RUN, "%s: also holds %s" % (run, sorted(found - IN_A_RUN)))
            mine, theirs = manifest(run), self.runs[run.name]
            for key in ["digest", "files", "outcome", "steps", "final"]:
                require(mine[key] == theirs[key], "%s: %s is not that of the undisturbed run" % (run, key))
            for path in (self.undisturbed / run.name).rglob("*"):
                if path.is_file() and path.name not in ("manifest.json", "lock"):
                    other = run / path.relative_to(self.undisturbed / run.name)
                    require(other.read_bytes() == path.read_bytes(), "%s: other bytes" % other)

        for path in self.undisturbed.iterdir():
            if path.suffix in (".parquet", ".svg"):
                require((folder / path.name).read_bytes() == path.read_bytes(), "%s: other bytes" % path.name)
        tables = [ask([self.precipice, "export", each, "--to", "csv", "-o", "-"]) for each in (folder, self.undisturbed)]
        require(tables[0] == tables[1], "other table")
        require(tables[0].count("\n") == self.n_runs + 1, "a table of %d lines" % tables[0].count("\n"))

    def ideal_secs(self, n_workers):
        """Of as many workers, or as there are cores for."""
        return self.work_secs / min(n_workers, len(os.sched_getaffinity(0)))

    def says(self, what, secs, n_workers):
        ideal = self.ideal_secs(n_workers)
        print("  %s: %.1f s; ideal for %d workers on %d cores %.1f s; ratio %.2f"
              % (what, secs, n_workers, len(os.sched_getaffinity(0)), ideal, secs / ideal), flush=True)


def runs_of(folder):
    return sorted(path for path in folder.glob("copying-small-*") if path.is_dir()) if folder.is_dir() else []


def manifest(run):
    return json.loads((run / "manifest.json").read_text())


def n_finished(folder):
    return sum((run / "manifest.json").exists() for run in runs_of(folder))


class Once:
    """Looks on while a sweep is made: a manifest that is there is never written again, nor taken away."""

    def __init__(self, folder):
        self.folder, self.seen, self.again = folder, {}, []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.look_on, daemon=True)

    def look_on(self):
        while not self.is_over.wait(0.02):
            self.look()

    def look(self):
        for run in runs_of(self.folder):
            try:
                stat = os.stat(run / "manifest.json")
                state = (stat.st_ino, stat.st_mtime_ns)
            except FileNotFoundError:
                state = None
            if state and run.name not in self.seen:
                self.seen[run.name] = state
            elif self.seen.get(run.name) != state:
                self.again.append(run.name)

    def __enter__(self):
        self.began = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, problem, *_):
        self.is_over.set()
        self.thread.join()
        self.look()
        if problem is None:
            require(not self.again, "finished twice: %s" % self.again[:3])

    def secs(self):
        return time.monotonic() - self.began
