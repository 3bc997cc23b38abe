"""The parts of `speed.py`: models, contestants, the processes that take turns, and the report.

To add a model, describe it in `models.py`: every contestant trains it. To add a contestant, write a
module with `prepare` and name it in `contestants.py`.
"""
