"""Workers that take their steps together, and can do nothing alone that needs the others.

All workers that train by a MultiWorkerMirroredStrategy run the same graph, each its own part. Some
of its operations, the collective ones, wait until all workers run them: those that add up gradients
and losses, those that give all variables the same initial values, and those that read a variable
which each worker writes for itself. So every worker has to run the same of them in the same order,
or all stand still.

- What one worker sees and the others do not is put to a vote in each step (`votes`): that its input
  ends with this batch, that a hook wants to stop, that it is time to save by the clock.
- What the chief runs in order to save and to summarize, the others run as well (`hooks`), and throw
  away.
- TensorFlow counts the runs of a session that have collective operations, and all workers must
  count the same. It takes some for such that have none, so it is told (`sessions`).
"""
