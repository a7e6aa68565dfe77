"""A server or a worker of HyperQueue, by its Python package.

    processes.py server SERVER_FOLDER
    processes.py worker SERVER_FOLDER FOLDER
"""
import os
import signal
import sys

from hyperqueue.cluster import LocalCluster, WorkerConfig

if sys.argv[1] == "server":
    cluster = LocalCluster(sys.argv[2])
else:
    server, folder = sys.argv[2:]
    # The package starts workers beside a server, in its process. A worker that can die alone needs a process of its own:
    # its server has nothing to do, and the worker finds in the folder how to reach the other one.
    cluster = LocalCluster(folder)
    access = os.path.join(folder, "hq-current")
    os.unlink(access)
    os.symlink(os.path.join(server, "hq-current"), access)
    cluster.start_worker(WorkerConfig(cores=1))
print("is there", flush=True)
signal.pause()
