"""What becomes of a dotted name of TensorFlow, Python or NumPy: works, by `run`, or an edit."""

import re
from typing import Literal, NamedTuple

from tf_estimator.cli.migration import symbols, tensorflow1
from tf_estimator.compat import original_names, supplied

Kind = Literal["works", "run", "edit"]
KINDS: tuple[Kind, ...] = ("works", "run", "edit")

# Other names of the same modules: TensorFlow has itself in itself, and 1.15 in tensorflow_core.
_ALIASES = (
    (re.compile(r"tensorflow_core(?=\.|$)"), "tensorflow"),
    (re.compile(r"tensorflow\._api\.v\d(?=\.|$)"), "tensorflow"),
    (re.compile(r"tensorflow(\.compat\.v[12])+(?=\.compat\.v[12](\.|$))"), "tensorflow"),
    (re.compile(r"tensorflow\.compat\.v2(?=\.|$)"), "tensorflow"),
)

# The modules that were the Estimator API, and which version of it; "" if the program decides.
ROOTS = {
    "tensorflow.estimator": "",
    "tensorflow.compat.v1.estimator": "v1",
    "tensorflow_estimator.estimator": "v1",
    "tensorflow_estimator._api.v1.estimator": "v1",
    "tensorflow_estimator._api.v2.estimator": "v2",
    "tensorflow.keras.estimator": "keras",
    "tensorflow.compat.v1.keras.estimator": "keras",
}
NOW = {"v1": "tf_estimator.compat.v1", "v2": "tf_estimator", "keras": "tf_estimator.keras"}
_HERE = {"v1": symbols.V1, "v2": symbols.V2, "keras": frozenset({"model_to_estimator"})}
_MISSING = {"v1": symbols.V1_MISSING, "v2": symbols.V2_MISSING, "keras": frozenset[str]()}

_V1_LAYERS = ("tensorflow.compat.v1.layers", "tensorflow.compat.v1.nn.rnn_cell")
# Names of version 1 in programs that are for both versions.
_NEUTRAL = {
    "VERSION",
    "GIT_VERSION",
    "COMPILER_VERSION",
    "enable_eager_execution",
    "enable_v2_behavior",
    "enable_resource_variables",
}


class Verdict(NamedTuple):
    """What becomes of a name.

    Attributes:
        kind: "works" after `install()`, "run" through `tf-estimator run`, or "edit".
        name: the part of the name that it is about.
        advice: a sentence.
        root: the module of the Estimator API at its start, "" if there is none.
        now: what to write for `root`.
    """

    kind: Kind
    name: str
    advice: str
    root: str = ""
    now: str = ""


def canonical(dotted: str) -> str:
    """The shortest name of the same thing, as tensorflow.nn for tensorflow.compat.v2.nn."""
    for pattern, name in _ALIASES:
        if found := pattern.match(dotted):
            dotted = name + dotted[found.end() :]
    return dotted


def is_within(name: str, module: str) -> bool:
    """Whether a dotted name is `module` or in it."""
    return name == module or name.startswith(f"{module}.")


def _longest(name: str, known: "dict[str, str] | frozenset[str]") -> str:
    """The longest start of a dotted name that is known, "" if none is."""
    while name and name not in known:
        name = name.rpartition(".")[0]
    return name


def judge(dotted: str, of_version_1: bool = False) -> Verdict | None:
    """What becomes of `dotted`; None if it is none of our business.

    Args:
        dotted: a name with all of its modules.
        of_version_1: whether tensorflow.estimator is that of version 1 in this program.

    Example:
        >>> judge("tensorflow.estimator.RunConfig").advice
        'It is tf_estimator.RunConfig now'
        >>> judge("tensorflow.placeholder").kind
        'run'
    """
    name = canonical(dotted)
    for root, surface in ROOTS.items():
        if is_within(name, root):
            return _of_estimator(name, root, surface or ("v1" if of_version_1 else "v2"))
    package = name.partition(".")[0]
    if package in ("tensorflow", "tensorflow_estimator"):
        return _of_private_module(name) or _of_contrib(name) or _of_tensorflow(name)
    found = _longest(name, supplied.REMOVED)
    if found:
        return Verdict("run", found, f"Write {supplied.REMOVED[found]}; run has {found}, too")
    return None


def is_of_version_1(dotted: str) -> bool:
    """Whether only a program for TensorFlow 1 has this name."""
    name = canonical(dotted)
    if is_within(name, "tensorflow.estimator"):
        known = _longest(
            name.removeprefix("tensorflow.estimator."), symbols.V1 | symbols.V1_MISSING
        )
        return bool(known) and known not in symbols.V2
    if is_within(name, "tensorflow.contrib"):
        return True
    found = _longest(name.removeprefix("tensorflow."), tensorflow1.NAMES)
    return name.startswith("tensorflow.") and bool(found) and found not in _NEUTRAL


def _of_estimator(name: str, root: str, surface: str) -> Verdict:
    rest, now = name[len(root) + 1 :], NOW[surface]
    here = _longest(rest, _HERE[surface])
    missing = _longest(rest, _MISSING[surface])
    if missing:
        return Verdict("edit", f"{root}.{missing}", f"{now} does not have {missing} yet", root)
    if not rest or rest.startswith("_"):
        return Verdict("works", root, f"It is {now} now", root, now)
    is_module = f"tensorflow.compat.v1.estimator.{here}" in symbols.MODULES
    if not here or (is_module and rest != here and not rest[len(here) + 1 :].startswith("_")):
        unknown = ".".join(rest.split(".")[: here.count(".") + 2 if here else 1])
        advice = f"{now} has no {unknown}"
        if unknown.startswith("BoostedTrees"):
            advice = "TensorFlow removed it; the package tensorflow-decision-forests trains trees"
        return Verdict("edit", f"{root}.{unknown}", advice, root)
    advice = f"It is {now}.{here} now"
    # Of the Estimator itself the version does not matter to how a model trains.
    if surface == "v2" and here in symbols.DIFFERENT - {"Estimator"}:
        advice += f", or {NOW['v1']}.{here} in a program for TensorFlow 1"
    return Verdict("works", f"{root}.{here}", advice, root, now)


def _of_private_module(name: str) -> Verdict | None:
    """A module of the original, or of TensorFlow, that was never public."""
    for root in supplied.INSTALLED_ROOTS:
        if is_within(name, root):
            return _of_installed(name, root)
    if name in ("tensorflow_estimator", "tensorflow_estimator.python"):
        return Verdict("works", name, "The package tf_estimator stands for it")
    if is_within(name, "tensorflow_estimator"):
        return Verdict("edit", name, "install() does not bring this module; see tf_estimator")
    for module in supplied.INSTALLED_BESIDE:
        if is_within(name, module):
            return Verdict(
                "works", name, "Its public names are those of tf_estimator.compat.v1.tpu"
            )
    moved = _longest(name, supplied.MOVED)
    if moved:
        return Verdict("works", moved, f"It is {supplied.MOVED[moved]} now, and private")
    return None


def _of_installed(name: str, root: str) -> Verdict:
    rest, advice = name[len(root) + 1 :], "It is private, and tf_estimator has what was public"
    if rest in original_names.NAMES:
        return Verdict("works", name, advice)
    module = next((one for one in original_names.MODULES if is_within(rest, one)), "")
    if not module:
        unknown = ".".join([root, *rest.split(".")[:2]])
        return Verdict("edit", unknown, "install() does not bring this module; see tf_estimator")
    last = rest[len(module) + 1 :].partition(".")[0]
    home = original_names.NAMES[module].get(last, "")
    if not home:
        unknown = f"{root}.{module}.{last}"
        return Verdict("edit", unknown, "install() does not bring this name; see tf_estimator")
    names = symbols.V1 if home.startswith(NOW["v1"]) else symbols.V2
    if home.removeprefix(f"{NOW['v1']}.").removeprefix(f"{NOW['v2']}.") in names:
        advice = f"Its public name is {home}"
    return Verdict("works", f"{root}.{module}", advice)


def _of_contrib(name: str) -> Verdict | None:
    root = "tensorflow.contrib"
    name = name.replace("tensorflow.compat.v1.contrib", root, 1)
    if not is_within(name, root):
        return None
    rest = name[len(root) + 1 :]
    found = _longest(rest, supplied.CONTRIB)
    if found:
        today = supplied.CONTRIB[found].replace("tensorflow.", "tf.", 1)
        advice = f"Write {today}" if today else supplied.TODAY[_longest(found, supplied.TODAY)]
        return Verdict("run", f"{root}.{found}", f"{advice}; run has it, too")
    parts = rest.split(".")
    if any(is_within(each, rest) for each in supplied.CONTRIB) or not rest:
        return Verdict("run", name, "TensorFlow 2 has no contrib; run has some of it")
    # Of a module that run has in part, each name is one of its own.
    is_in_part = any(is_within(each, parts[0]) for each in supplied.CONTRIB)
    parts = parts[: 2 if is_in_part else 1]
    known = _longest(rest, supplied.TODAY)
    advice = supplied.TODAY.get(known, "TensorFlow 2 has no contrib, and run does not bring it")
    return Verdict("edit", ".".join([root, *parts]), advice)


def _of_tensorflow(name: str) -> Verdict | None:
    for module in _V1_LAYERS:
        if is_within(name, module):
            advice = "Call tf_estimator.keras.enable_v1_layers() first; run does"
            return Verdict("run", module, advice)
    if is_within(name, "tensorflow.compat.v1"):
        return None
    found = _longest(name.removeprefix("tensorflow."), tensorflow1.NAMES)
    if not found:
        return None
    advice = f"Write tf.compat.v1.{found}; run has TensorFlow 1 for tensorflow"
    return Verdict("run", f"tensorflow.{found}", advice)
