#!/usr/bin/env bash
# train.py on SLURM: sbatch slurm.sh. Of the five tasks the first is the chief and the last the evaluator;
# before it comes the parameter server, and the others are workers.
#
# The servers of the tasks ask nobody who they are, and the users of such a machine share its network: whoever
# reaches their ports can do there what you can. docs/clusters.md says more.
#SBATCH --job-name=digits
#SBATCH --ntasks=5
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=2G
#SBATCH --time=01:00:00
#SBATCH --requeue
set -euo pipefail

model_dir=${MODEL_DIR:-$PWD/digits} # on a file system that all nodes have

# What each task runs, as text: SLURM copies this file to the first node only. A task that ended because another
# was out of reach (75), or was killed (137), is started again, so many times; any other failure ends the job.
task='
TF_CONFIG=$(tf-estimator cluster --slurm --ps 1 --evaluator --timeout 60) || exit
export TF_CONFIG
for try in 1 2 3 4 5; do
    python train.py "$@" && exit
    status=$?
    ((status == 75 || status == 137)) || break
    echo "Task $SLURM_PROCID ended with $status in try $try." >&2
done
exit "$status"
'
srun --kill-on-bad-exit=1 bash -c "$task" task --model-dir "$model_dir" "$@"
