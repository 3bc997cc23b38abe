"""What is to be said about a TF_CONFIG: which task this is, what is wrong, who answers."""

import collections
import difflib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, final

from tf_estimator.cluster import probe
from tf_estimator.cluster.peers import Peer, all_peers
from tf_estimator.cluster.probe import Answer
from tf_estimator.config import Cluster
from tf_estimator.config.entries import ENTRIES

_DUTIES: Final = {
    "chief": "It trains, and writes the checkpoints and summaries.",
    "master": "It trains and evaluates, and writes the checkpoints and summaries.",
    "worker": "It trains; the chief writes the checkpoints and summaries.",
    "ps": "It holds variables for those that train, and ends when they are done.",
    "evaluator": "It evaluates each checkpoint that appears in model_dir, and talks to no task.",
}
_NAMES: Final = {"ps": "parameter server"}
_SECS_BETWEEN_ROUNDS: Final = 1.0


@final
class Report:
    """Lines to read, and how many things were found wrong.

    Attributes:
        lines: what to read, from the top.
        problems: what is wrong, one sentence or more each.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.problems: list[str] = []

    def text(self) -> Iterator[str]:
        """The lines, and below them the problems."""
        yield from self.lines
        for problem in self.problems:
            yield f"wrong: {problem}"
        count = len(self.problems)
        yield "Nothing is wrong." if not count else f"{count} problem{'s' if count > 1 else ''}."


def report(
    environment: Mapping[str, str],
    wait_secs: float = 0.0,
    ask: Callable[[str], Answer] = probe.probe,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Report:
    """Looks at a TF_CONFIG and asks the other tasks.

    Args:
        environment: the variables, TF_CONFIG perhaps among them.
        wait_secs: how long to ask again until all answer.
        ask: finds out whether a server is at an address.
        clock: tells the time in seconds.
        sleep: waits a number of seconds.
    """
    found, text = Report(), environment.get("TF_CONFIG")
    if text is None:
        found.lines.append("TF_CONFIG is not set: a process trains, evaluates and saves alone.")
        return found
    try:
        cluster = Cluster.from_environment(environment)
    except (TypeError, ValueError) as error:
        found.problems.append(str(error))
        return found
    _tell_oddities(found, text)
    _tell_role(found, cluster)
    if not cluster.cluster_spec or not cluster.master:
        return found
    if cluster.environment == "google":
        found.lines.append('Its environment is "google": somebody else starts the servers.')
    try:
        cluster.check_addresses()
    except ValueError as error:
        found.problems.append(str(error))
        return found
    _tell_answers(found, cluster, lambda peers: _answers(peers, wait_secs, ask, clock, sleep))
    return found


def _tell_oddities(found: Report, text: str) -> None:
    """What a program passes over, as it may be meant for others; a slip of the pen is wrong."""
    twice: list[str] = []

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        counts = collections.Counter(key for key, _ in pairs)
        twice.extend(key for key, count in counts.items() if count > 1)
        return dict(pairs)

    tf_config = json.loads(text, object_pairs_hook=mapping)
    found.problems += (
        f'"{key}" is twice in one object of TF_CONFIG, and only the last one counts.'
        for key in twice
    )
    for words, known, what in (
        (tf_config, ENTRIES, "entry of TF_CONFIG"),
        (tf_config.get("cluster", {}), tuple(_DUTIES), "role of train_and_evaluate"),
    ):
        for word in words:
            if word in known:
                continue
            close = difflib.get_close_matches(word, known, 1)
            if close:
                found.problems.append(f'"{word}" is no {what}. Is "{close[0]}" meant?')
            else:
                found.lines.append(f'"{word}" is no {what}, and does nothing here.')


def _tell_role(found: Report, cluster: Cluster) -> None:
    name = f"{cluster.task_type} {cluster.task_id}"
    if cluster.task_type == "evaluator":
        found.lines.append(f"This is {name}. {_DUTIES['evaluator']}")
        if cluster.task_id:
            found.problems.append('There is one evaluator only: its "index" must be 0.')
        return
    if not cluster.cluster_spec:
        found.lines.append("TF_CONFIG has no cluster: a process trains, evaluates and saves alone.")
        return
    spec = cluster.cluster_spec
    sizes = {job: spec.num_tasks(job) for job in spec.jobs if job != "evaluator"}
    order = sorted(sizes, key=lambda job: ([*_DUTIES, job].index(job), job))
    tasks = ", ".join(_counted(job, sizes[job]) for job in order)
    found.lines.append(f"This is {name} of a cluster of {tasks}.")
    found.lines.append(_DUTIES.get(cluster.task_type, "Its role is none of train_and_evaluate."))
    if not cluster.master:
        found.lines.append("It is the only task, and starts no server.")
    elif not cluster.num_ps_replicas:
        found.lines.append(
            "There is no parameter server: it has to train by MultiWorkerMirroredStrategy."
        )
    found.lines.append(
        f"A task may be out of reach for {cluster.timeout_secs:g} s before others give up."
    )


def _counted(job: str, size: int) -> str:
    return f"{size} {_NAMES.get(job, job)}{'s' if size != 1 else ''}"


def _tell_answers(
    found: Report, cluster: Cluster, ask_all: Callable[[list[Peer]], dict[Peer, Answer]]
) -> None:
    spec = cluster.cluster_spec
    own_address = spec.task_address(cluster.task_type, cluster.task_id)
    own = Peer(cluster.task_type, cluster.task_id, own_address)
    answers = ask_all([own, *all_peers(cluster)])
    names = {peer: f"{peer.job} {peer.index}" for peer in answers}
    width = max(map(len, names.values()))
    address_width = max(len(peer.address) for peer in answers)
    for peer, answer in sorted(answers.items(), key=lambda each: (each[0].job, each[0].index)):
        words = _of_this_task(answer) if peer == own else answer.value
        mark = ">" if peer == own else " "
        row = f"{mark} {names[peer]:<{width}}  {peer.address:<{address_width}}  {words}"
        found.lines.append(row)

    own_answer = answers.pop(own)
    if own_answer not in {Answer.ANSWERS, Answer.REFUSED}:
        found.problems.append(f"This task, {own}, {own_answer.value}.")
    missing = [names[peer] for peer, answer in answers.items() if answer is not Answer.ANSWERS]
    if missing:
        found.problems.append(
            f"{len(missing)} of {len(answers)} other tasks cannot be reached: {', '.join(missing)}."
        )


def _of_this_task(answer: Answer) -> str:
    if answer is Answer.REFUSED:
        return "is this task, which does not run yet"
    if answer is Answer.ANSWERS:
        return "is this task, which runs already"
    return answer.value


def _answers(
    peers: list[Peer],
    wait_secs: float,
    ask: Callable[[str], Answer],
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> dict[Peer, Answer]:
    """Asks all, until those after the first answer or the time is over."""
    end = clock() + wait_secs
    while True:
        answers = probe.in_parallel(lambda peer: ask(peer.address), peers, 2 * probe.PROBE_SECS)
        others = [answers[peer] for peer in peers[1:]]
        rest = end - clock()
        if rest <= 0 or all(answer is Answer.ANSWERS for answer in others):
            return answers
        sleep(min(rest, _SECS_BETWEEN_ROUNDS))
