#!/usr/bin/env python3
"""Times precipice beside PyTorch and JAX on one core, in turns, and prints the table of ratios.

    cargo build --release
    python3 -m venv venv && venv/bin/pip install torch "jax[cpu]"
    venv/bin/python scripts/bench_peers.py [--rounds 5] [--task copy] [--json FILE]

The tasks (--task) are in-context copying (copy) and classification (class) at d_model 128 (65 positions, 63-wide
items, 32 labels, batch 128, SGD, data generation included). copy has a linear readout, and the peers draw items from
a bank, precipice draws new ones: the timed tasks wide-8, wide-16 and wide-32 of `precipice bench`. class has 1,024
classes, each twice in a context, and two hidden layers in the readout: class-8 and class-32. heads and blocks are the
copying task of wide-8 for the general network, by number of layers: four heads behind W_O (heads-2), and with scaled
scores, LayerNorm, an MLP of width 512 and Adam (blocks-2 and blocks-4). Each peer is timed twice: as it is normally
written (every token projected, the last layer read at the query only) and rewritten by hand with most of the algebra
that precipice finds by itself (folded and factored, without look-ups), in the fastest form that was found. In every
round each contender runs once, one after the other, so that a change of the machine's speed hits all of them. A peer
that cannot be imported is left out, by name.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
# Script, how much of the arithmetic is avoided, and other options.
PEERS = {
    "JAX, as normally written": ("jax_step.py", "last", []),
    "JAX, rewritten": ("jax_step.py", "rewritten", []),
    "PyTorch, as normally written": ("torch_step.py", "last", ["--mode", "eager"]),
    "PyTorch compiled, rewritten": ("torch_step.py", "rewritten", ["--mode", "compile"]),
}
# The timed tasks of precipice, what a size is, the default sizes, and the option for it.
TASKS = {
    "copy": ("wide", "N", [8, 16, 32], "--n"),
    "class": ("class", "N", [8, 32], "--n"),
    "heads": ("heads", "layers", [2], "--layers"),
    "blocks": ("blocks", "layers", [2, 4], "--layers"),
}
# Other options of the peers; a window of these steps is timed after a warm-up.
OPTIONS = {
    "copy": ["--task", "copy", "--steps", "100"],
    "class": ["--task", "class", "--steps", "100"],
    "heads": ["--task", "copy", "--net", "heads", "--steps", "100"],
    "blocks": ["--task", "copy", "--net", "blocks", "--opt", "adam", "--lr", "0.001", "--wd", "0", "--steps", "40"],
}
# Where the fastest rewritten form is folded; elsewhere it is factored.
FOLDED = [("heads", "torch_step.py"), ("blocks", "torch_step.py"), ("blocks", "jax_step.py")]


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("%s\nfailed: %s" % (" ".join(command), done.stderr.strip()[-2000:]))
    return done.stdout


def peer(script, form, options, task, size):
    if form == "rewritten":
        form = "folded" if (task, script) in FOLDED else "factored"
    command = [sys.executable, os.path.join(HERE, "peers", script), "--layer2", form, *options]
    command += [*OPTIONS[task], TASKS[task][3], str(size), "--windows", "1"]
    return json.loads(run(command).strip().splitlines()[-1])


def ours(binary, task, size):
    command = [binary, "bench", "%s-%d" % (TASKS[task][0], size), "--rounds", "1", "--seconds", "1", "--json"]
    return json.loads(run(command))[0]


def importable(name):
    return subprocess.run([sys.executable, "-c", "import " + name], capture_output=True).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--task", choices=list(TASKS), default="copy")
    parser.add_argument("--sizes", type=int, nargs="+", help="N [8 16 32; class: 8 32], or layers [heads: 2; blocks: 2 4]")
    parser.add_argument("--binary", default=os.path.join(ROOT, "target", "release", "precipice"))
    parser.add_argument("--json", help="write all rounds to this file")
    args = parser.parse_args()
    _, size_name, sizes, _ = TASKS[args.task]
    args.sizes = args.sizes or sizes
    if not os.path.exists(args.binary):
        sys.exit("%s: no such file; build it with cargo build --release" % args.binary)
    missing = [name for name in ("torch", "jax") if not importable(name)]
    peers = {name: o for name, o in PEERS.items() if o[0].split("_")[0] not in missing}
    for name in missing:
        print("left out: %s cannot be imported" % name, file=sys.stderr)
    rates, memory, versions = {}, {}, {}
    for n in args.sizes:
        for i in range(args.rounds):
            print("%s = %d, round %d of %d" % (size_name, n, i + 1, args.rounds), file=sys.stderr)
            told = {"precipice": ours(args.binary, args.task, n)}
            for name, options in peers.items():
                told[name] = peer(*options, args.task, n)
                versions.update(told[name]["versions"])
            for name, report in told.items():
                rates.setdefault(name, {}).setdefault(n, []).append(report["steps_per_s"])
                memory[name] = max(memory.get(name, 0), report["max_rss_mb"] or 0)
    median = lambda name, n: statistics.median(rates[name][n])
    print("One core; medians of %d rounds. %s; %s." % (args.rounds, processor(), ", ".join(map(" ".join, versions.items()))))
    print("\n| steps/s | %s | memory |" % " | ".join("%s = %d" % (size_name, n) for n in args.sizes))
    print("| --- | %s | --- |" % " | ".join("---" for _ in args.sizes))
    for name in rates:
        cells = []
        for n in args.sizes:
            ratio = median("precipice", n) / median(name, n)
            cells.append("%.0f" % median(name, n) if name == "precipice" else "%.0f (%.1fx)" % (median(name, n), ratio))
        print("| %s | %s | %.0f MB |" % (name, " | ".join(cells), memory[name]))
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"steps_per_s": rates, "max_rss_mb": memory, "versions": versions, "cpu": processor()}, file, indent=1)


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
