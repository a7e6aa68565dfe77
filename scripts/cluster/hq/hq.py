"""`hq submit`, `hq job info` and `hq job wait` of HyperQueue's own program, by its Python package.

pip's package is the server, the workers and the client as a library, without that program. Here are the options that
precipice and its job script use, read as HyperQueue's documentation says; others are errors. HQ_SERVER_DIR is the
server's folder.
"""
import argparse
import json
import os
import shlex
import sys

from hyperqueue import Client, Job
from hyperqueue.ffi.protocol import ResourceRequest


class Known(Exception):
    """Ends a question that would otherwise go on until the job has ended."""


def directives(path):
    """Words of the `#HQ` lines, which stand before the first line that is no comment, in a file that ends in .sh."""
    words = []
    if not path.endswith(".sh"):
        return words
    with open(path) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                break
            if line.startswith("#HQ"):
                words += shlex.split(line[3:])
    return words


def submit(client, words):
    path = words[-1]
    parser = argparse.ArgumentParser(prog="hq submit", allow_abbrev=False)
    parser.add_argument("--name")
    parser.add_argument("--array", required=True)
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--crash-limit", type=int, default=5)
    parser.add_argument("--priority", type=int, default=0)
    parser.add_argument("--stdout", required=True)
    parser.add_argument("--stderr", required=True)
    # What is typed goes before what stands in the file.
    options = parser.parse_args([*directives(path), *words[:-1]])
    first, _, last = options.array.partition("-")
    job = Job(name=options.name, max_fails=None, default_workdir=os.getcwd())
    for _ in range(int(first), int(last or first) + 1):
        job.program(
            ["bash", path],
            resources=ResourceRequest(cpus=options.cpus),
            crash_limit=options.crash_limit,
            priority=options.priority,
            stdout=options.stdout,
            stderr=options.stderr,
        )
    return client.submit(job).id


def info(client, job):
    found = {}

    def look(stats):
        found.update(stats[job])
        raise Known

    try:
        client.connection.wait_for_jobs([job], look)
    except Known:
        pass
    is_left = not found["completed"]
    # The package counts what has ended, not what runs.
    stats = {"running": int(is_left), "waiting": 0, "finished": found["finished"], "failed": found["failed"]}
    return [{"info": {"id": job, "task_stats": stats}}]


def main():
    client = Client(os.environ["HQ_SERVER_DIR"])
    words = sys.argv[1:]
    mode = words.pop(0) if words[0].startswith("--output-mode=") else ""
    if words[0] == "submit":
        job = submit(client, words[1:])
        print(job if mode.endswith("quiet") else "Job submitted successfully, job ID: %d" % job)
    elif words[:2] == ["job", "info"]:
        print(json.dumps(info(client, int(words[2]))))
    elif words[:2] == ["job", "wait"]:
        jobs = [int(word) for word in words[2:]]
        if client.connection.wait_for_jobs(jobs, lambda _: None):
            sys.exit("failed: %s" % client.connection.get_failed_tasks(jobs))
    else:
        sys.exit("hq: not known here: %s" % " ".join(words))


main()
