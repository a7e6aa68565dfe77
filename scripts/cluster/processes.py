"""Processes that are ended by whoever began them, and those of others never."""
import os
import signal
import subprocess
import time

# Inherited by all that is started here, however far down: how its processes are told from others.
MARK = "PRECIPICE_CLUSTERS"


class Failure(Exception):
    """A claim that does not hold, or something that is missing: a sentence for whoever reads it."""


def require(holds, sentence):
    if not holds:
        raise Failure(sentence)


def marked():
    """Identifiers of the processes that this one began, or that those began, and that still run."""
    mark = ("%s=%s" % (MARK, os.environ[MARK])).encode()
    found = set()
    for pid in everybody():
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                if mark in file.read().split(b"\0") and pid != os.getpid():
                    found.add(pid)
        except OSError:
            pass
    return found


def everybody():
    """Every process, and its parent."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name) as file:
                # The name of the program, in parentheses, may hold anything.
                parents[int(name)] = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            pass
    return parents


def descendants(pid):
    """The process and all below it."""
    parents, found = everybody(), [pid]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def command_line(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def kill(pids, number=signal.SIGKILL):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def end_all(patience=5):
    """Ends what is left, first with a request."""
    kill(marked(), signal.SIGTERM)
    deadline = time.monotonic() + patience
    while marked() and time.monotonic() < deadline:
        time.sleep(0.1)
    kill(marked())


def ask(command, patience=120, **options):
    """What a command prints; a Failure with all that it says if it does not end with 0."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=patience, **options)
    said = "%s\nended with %d: %s" % (" ".join(map(str, command)), done.returncode, (done.stdout + done.stderr)[-2000:])
    require(done.returncode == 0, said)
    return done.stdout


def wait_for(condition, patience, what):
    """Asks until it is so; the last answer."""
    deadline = time.monotonic() + patience
    while True:
        answer = condition()
        if answer:
            return answer
        require(time.monotonic() < deadline, "%s: not within %d s" % (what, patience))
        time.sleep(0.1)
