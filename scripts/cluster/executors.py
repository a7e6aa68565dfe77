"""Dask, Ray and submitit: the examples of docs/clusters.md, as they stand there."""
import subprocess

from .processes import Failure, ask, require

PACKAGES = ["dask", "distributed", "ray", "submitit"]
PROGRAM = """
import doctest, sys
if __name__ == "__main__":
    failed, n = doctest.testfile(sys.argv[1], module_relative=False)
    print(n)
    sys.exit(failed != 0)
"""


def provide(python, may_install):
    """Asks whether a Python has the package and the others."""
    def has(names):
        return subprocess.run([python, "-c", "import " + ", ".join(names)], capture_output=True).returncode == 0

    if not has(["precipice"]):
        raise Failure("%s: has no precipice; `pip install ./bindings/python`, or --python" % python)
    if has(PACKAGES):
        return
    install = ["-m", "pip", "install", "--quiet", *PACKAGES]
    if not may_install:
        raise Failure("%s: does not have all of %s; `pip install`, or --install" % (python, ", ".join(PACKAGES)))
    ask([python, *install], patience=600)


def run(root, python, document):
    print("executors: the examples of %s" % document.name, flush=True)
    root.mkdir(parents=True)
    program = root / "examples.py"
    program.write_text(PROGRAM)
    ran = subprocess.run([python, program, document], cwd=root, capture_output=True, text=True, timeout=600)
    require(ran.returncode == 0, (ran.stdout + ran.stderr)[-4000:])
    n = int(ran.stdout.split()[-1])
    require(n >= 10, "%d examples" % n)
    print("  %d lines did what they are said to do" % n, flush=True)
