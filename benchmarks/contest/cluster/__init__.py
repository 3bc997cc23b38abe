"""The parts of `cluster.py`: the ways to distribute, the processes of each, and the report.

`setups` says what is measured; `group` starts the processes of one way and lets them work; `task`
is the program of each of them; `report` and `pictures` show what was found.
"""
