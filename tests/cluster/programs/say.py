"""Says its arguments and its task, and then ends as it is told: "wait", "fail" or an exit code."""

import os
import sys
import time

sys.stdout.write(f"I am {os.environ.get('TF_CONFIG', 'alone')} {sys.argv[1:]}\n")
how = sys.argv[-1]
if how == "wait":
    time.sleep(3600)
if how == "fail":
    raise RuntimeError("as I was told")
sys.exit(int(how))
