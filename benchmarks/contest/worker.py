"""The program of one process: `python -m contest.worker CONTESTANT TASK MODEL COUNT FOLDER`.

Says on stdout that it is ready or why not, does a turn at each line on stdin and says how long it
took, and at the end of stdin says how much memory it had, in all and after its imports.
"""

import importlib
import platform
import sys

from .contestants import CONTESTANTS
from .models import MODELS
from .turns import Job, NotAvailableError, Turns, own_stdout, peak_memory

_MODULES = ["tensorflow", "keras", "numpy", "torch", "lightning", "jax"]


def main() -> None:
    """Takes part."""
    name, task, model, count, folder = sys.argv[1:]
    turns = Turns(own_stdout(), int(count))
    job = Job(task, model, MODELS[model], folder, turns)
    contestant = CONTESTANTS[name]
    module, function = contestant.call.split(":")
    try:
        call = getattr(importlib.import_module(f"contest.{module}"), function)
        imported = peak_memory()
        call(job, **(contestant.options or {}))
    except (ModuleNotFoundError, NotAvailableError) as error:
        turns.say(not_available=str(error))
        return
    turns.say(memory=peak_memory(), imported=imported, versions=versions())


def versions() -> dict[str, str]:
    """Of Python and of what is imported of these."""
    loaded = [name for name in _MODULES if name in sys.modules]
    return {"Python": platform.python_version()} | {
        # Asked of the module: a package may have another name, as tensorflow-cpu has.
        name: sys.modules[name].__version__
        for name in loaded
    }


if __name__ == "__main__":
    main()
