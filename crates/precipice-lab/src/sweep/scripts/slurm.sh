#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=1-{tasks}
#SBATCH --cpus-per-task={cpus}
#SBATCH --time={time}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@60
{pass_through}
# Equal workers on one folder: each takes runs that nobody has, and goes on with
# those whose worker died. How far it is: precipice sweep status {folder}

# A minute before the time limit Slurm sends USR1. The worker saves its runs and
# ends with 75, which means that there is more to do: it is queued again.
is_over=no
trap 'is_over=yes; kill -USR1 "$worker"' USR1
# TERM means that the job was canceled, or preempted, and then Slurm queues it
# again. The worker has it from Slurm; this script only has to outlive it.
trap : TERM

# Paths in the command may be relative.
cd {here} || exit
{command} &
worker=$!
# A signal ends `wait`, not the worker.
while kill -0 "$worker" 2> /dev/null; do wait "$worker"; done
wait "$worker"
status=$?

if [ "$is_over" = yes ] && [ "$status" = 75 ]; then
    # By its place in the array: the first task's own number is the whole array.
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$status"
