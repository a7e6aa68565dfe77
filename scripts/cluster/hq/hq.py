"""`hq submit FILE.sh` and `hq job wait last`, as HyperQueue's own program has them, by its Python package.

pip's package is the server, the workers and the client as a library, without that program. Here are the options of
`hq submit` that a job script of ours has, read from its `#HQ` lines as HyperQueue's documentation says; others are errors.
HQ_SERVER_DIR is the server's folder.
"""
import argparse
import json
import os
import shlex
import sys

from hyperqueue import Client, Job
from hyperqueue.ffi.protocol import ResourceRequest


def directives(path):
    """Words of the `#HQ` lines, which stand before the first line that is no comment."""
    words = []
    with open(path) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                break
            if line.startswith("#HQ"):
                words += shlex.split(line[3:])
    return words


def options_of(words):
    parser = argparse.ArgumentParser(prog="hq submit", allow_abbrev=False)
    parser.add_argument("--name")
    parser.add_argument("--array", required=True)
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--crash-limit", type=int, default=5)
    parser.add_argument("--priority", type=int, default=0)
    parser.add_argument("commands", nargs=argparse.REMAINDER)
    return parser.parse_args(words)


def submit(client, words):
    path = os.path.abspath(options_of([*words[:-1], "--array=0", words[-1]]).commands[0])
    # What is typed comes after what stands in the file.
    options = options_of([*directives(path), *words])
    first, _, last = options.array.partition("-")
    job = Job(name=options.name, max_fails=None, default_workdir=os.getcwd())
    for _ in range(int(first), int(last or first) + 1):
        request = ResourceRequest(cpus=options.cpus)
        job.program(["bash", path], resources=request, crash_limit=options.crash_limit, priority=options.priority)
    return client.submit(job).id


def main():
    client = Client(os.environ["HQ_SERVER_DIR"])
    last = os.path.join(os.environ["HQ_SERVER_DIR"], "last-job.json")
    if sys.argv[1] == "submit":
        number = submit(client, sys.argv[2:])
        with open(last, "w") as file:
            json.dump(number, file)
        print("Job submitted successfully, job ID: %d" % number)
    elif sys.argv[1:] == ["job", "wait", "last"]:
        with open(last) as file:
            number = json.load(file)
        failed = client.connection.wait_for_jobs([number], lambda _: None)
        if failed:
            sys.exit("failed: %s" % client.connection.get_failed_tasks([number]))
    else:
        sys.exit("hq: not known here: %s" % " ".join(sys.argv[1:]))


main()
