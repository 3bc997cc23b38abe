"""A TensorFlow server, and what a probe says of it.

python probing.py serve PORT
python probing.py ask ADDRESS
"""

import sys

import tensorflow as tf

from tf_estimator.cluster.probe import probe

what, where = sys.argv[1:]
if what == "serve":
    server = tf.distribute.Server({"ps": [f"127.0.0.1:{where}"]}, job_name="ps", task_index=0)
    sys.stdout.write("serves\n")
    server.join()
else:
    sys.stdout.write(f"{probe(where).name}\n")
