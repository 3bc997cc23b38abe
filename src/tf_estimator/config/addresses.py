"""Addresses of a cluster: which ones TensorFlow's servers can listen on and reach.

A TF_CONFIG that a program only reads may hold any strings. One that servers are started by may not:
of an address that is wrong here, TensorFlow either refuses to start, or waits for it for ever.
"""

import re
from collections.abc import Mapping
from typing import Final

from tf_estimator import _checks

# A host without what belongs to a URL or separates fields; IPv6 only in brackets, or its end would
# be taken for the port.
_ADDRESS: Final = re.compile(
    r"(?P<host>[^\s:/\[\]@,]+|\[[0-9A-Fa-f:.]+(?:%\w+)?\]):(?P<port>[^\s:/]*)"
)
_EXAMPLE: Final = 'For example: "host0:2222", "10.0.0.7:2222" or "[fd00::7]:2222".'


def host_and_port(subject: str, address: str) -> tuple[str, int]:
    """The two parts of an address of a server.

    Args:
        subject: What is said to be wrong if it is.
        address: "host:port"; an IPv6 host is in brackets.

    Returns:
        The host, without brackets, and the port.

    Raises:
        ValueError: If it is no such address, or the port is none of 1 to 65535.

    Example:
        >>> host_and_port("The address", "[::1]:2222")
        ('::1', 2222)
    """
    rule = 'must hold addresses of the form "host:port"'
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        raise _checks.wrong_value(subject, rule, address, _reason(address))
    port = parts["port"]
    if not (port.isascii() and port.isdigit()):
        raise _checks.wrong_value(subject, f"{rule}, the port a number", address, _EXAMPLE)
    if len(port) > 9 or not 0 < int(port) < 65536:
        rule = "must hold ports from 1 to 65535"
        raise _checks.wrong_value(subject, rule, address, _EXAMPLE)
    return parts["host"].strip("[]"), int(port)


def _reason(address: str) -> str:
    if "://" in address:
        return f"Leave out {address.partition('://')[0] + '://'!r}. {_EXAMPLE}"
    if address.endswith("/"):
        return f"Leave out the slash. {_EXAMPLE}"
    if address != "".join(address.split()):
        return f"Leave out the spaces. {_EXAMPLE}"
    if "," in address:
        apart = ", ".join(f'"{part.strip()}"' for part in address.split(","))
        return f"Make each a string of its own: [{apart}]."
    if address.count(":") > 1 and "[" not in address:
        return f"A host of IPv6 needs brackets. {_EXAMPLE}"
    return _EXAMPLE


def check(jobs: Mapping[str, Mapping[int, str]]) -> None:
    """Raises ValueError unless servers can listen on these addresses and reach each other.

    Args:
        jobs: Job name to task index to address.
    """
    seen: dict[tuple[str, int], str] = {}
    for job, tasks in jobs.items():
        subject = f'"cluster" in TF_CONFIG, job "{job}",'
        for index, address in tasks.items():
            host, port = host_and_port(subject, address)
            task = f"{job} {index}"
            other = seen.setdefault((host.lower(), port), task)
            if other != task:
                rule = f"must give {task} an address of its own, and not that of {other}"
                hint = "Two tasks on one machine need different ports."
                raise _checks.wrong_value(subject, rule, address, hint)
