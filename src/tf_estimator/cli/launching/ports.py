"""Free ports of this machine, for servers that start a few seconds later."""

import random
import socket
from pathlib import Path
from typing import Final

_RANGE_FILE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_FIRST: Final = 32768
_LOWEST: Final = 10240


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on.

    They are below those that the system gives to outgoing connections. One of these could be given
    to a connection before the server starts; and a client that knocks on one where nobody listens
    yet could even be connected to itself.

    Args:
        count: how many, all different.

    Raises:
        OSError: there are not so many.
    """
    candidates = list(range(_LOWEST, max(_first_of_connections(), _LOWEST)))
    random.shuffle(candidates)  # Another launcher may look at the same time.
    found: list[int] = []
    for port in candidates:
        if len(found) == count:
            break
        if _is_free(port):
            found.append(port)
    if len(found) < count:
        raise OSError(f"Of {count} ports for the cluster, only {len(found)} are free.")
    return found


def _first_of_connections() -> int:
    try:
        return int(_RANGE_FILE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):  # Not Linux, or it does not show its settings.
        return _USUAL_FIRST


def _is_free(port: int) -> bool:
    """Whether a server could listen on all interfaces, as those of TensorFlow do."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError:
            # A system without IPv6 lets nobody bind there, and that is no reason to refuse.
            if family == socket.AF_INET or _has_ipv6():
                return False
    return True


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
