"""Peers: the other tasks, as each role sees them."""

import pytest

from tf_estimator.cluster.peers import Peer, all_peers, chief_of, parameter_servers
from tf_estimator.config.cluster import Cluster

HOSTS = {
    "chief": ["c:1"],
    "worker": {"0": "w:1", "3": "w:4"},
    "ps": ["p:1", "p:2"],
    "evaluator": ["e:1"],
}


def _cluster(job, index=0, hosts=HOSTS):
    return Cluster.parse({"cluster": hosts, "task": {"type": job, "index": index}})


@pytest.mark.parametrize(
    ("job", "index", "addresses"),
    [
        ("chief", 0, ["p:1", "p:2", "w:1", "w:4"]),
        ("worker", 3, ["c:1", "p:1", "p:2", "w:1"]),
        ("ps", 1, ["c:1", "p:1", "w:1", "w:4"]),
        ("evaluator", 0, []),
    ],
)
def test_all_peers_are_all_with_a_server_but_itself(job, index, addresses):
    assert [peer.address for peer in all_peers(_cluster(job, index))] == addresses


def test_a_peer_says_who_and_where_it_is():
    assert str(all_peers(_cluster("chief"))[-1]) == "worker 3 (w:4)"


def test_parameter_servers():
    servers = [Peer("ps", 0, "p:1"), Peer("ps", 1, "p:2")]
    assert parameter_servers(_cluster("worker")) == servers
    assert parameter_servers(_cluster("ps", 1)) == servers[:1]


def test_the_chief_may_be_a_master():
    hosts = {"master": ["m:1"], "worker": ["w:1"]}
    assert chief_of(_cluster("worker", 0, hosts)) == Peer("master", 0, "m:1")
    assert chief_of(_cluster("worker")) == Peer("chief", 0, "c:1")
    assert chief_of(_cluster("chief")) is None


def test_a_process_on_its_own_has_no_peers():
    assert all_peers(Cluster()) == parameter_servers(Cluster()) == []
    assert chief_of(Cluster()) is None
