"""When and where lost work goes on, and which nodes are avoided; whatever happens in any order."""

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sweep_platform.search.losses import (
    ELSEWHERE_SECONDS,
    HOST_FAULTS,
    LONGEST_REST,
    WORKER_ENDS,
    Hosts,
    Losses,
)
from sweep_platform.search.stages.live import Place
from sweep_platform.store.messages import Failure, Fault

NODES = {str(number): f"host{number}" for number in range(3)}
ENDED = Failure(reason="its worker was lost", fault=Fault.WORKER)
GONE = Failure(reason="its host was lost", fault=Fault.NODE)


def at(node: str) -> Place:
    return Place(node, NODES[node])


Event = Callable[[Losses], object]
nodes, jobs = st.sampled_from(sorted(NODES)), st.sampled_from("abc")
events = st.one_of(
    st.builds(lambda j, n: lambda losses: losses.lacked(j, at(n), "why"), jobs, nodes),
    st.builds(lambda j, n: lambda losses: losses.ended(j, at(n), ENDED), jobs, nodes),
    st.builds(lambda j, n: lambda losses: losses.ended(j, at(n), GONE), jobs, nodes),
    st.builds(lambda j, n: lambda losses: losses.progressed(j, at(n)), jobs, nodes),
    st.builds(lambda j: lambda losses: losses.rest(j), jobs),
)


@given(happened=st.lists(events, max_size=40), alive=st.sets(nodes, min_size=1))
def test_a_job_has_a_place_as_long_as_there_is_a_node(
    happened: list[Event], alive: set[str]
) -> None:
    usable = dict(NODES)
    losses = Losses(lambda: Hosts(usable))
    for event in happened:
        event(losses)
    for gone in NODES.keys() - alive:
        del usable[gone]
    for job in "abc":
        assert losses.shunned(job) < alive
        assert losses.avoided <= losses.shunned(job)


@given(happened=st.lists(events, max_size=40))
def test_each_node_that_is_avoided_is_named_once(happened: list[Event]) -> None:
    said: list[str] = []
    losses = Losses(lambda: Hosts(NODES), said.append)
    for event in happened:
        event(losses)
    assert len(said) == len(set(said)) == len(losses.avoided)
    assert all(any(NODES[node] in text for text in said) for node in losses.avoided)


@given(times=st.integers(1, 20_000))
def test_rests_grow_to_a_bound(times: int) -> None:
    losses = Losses()
    rests = [losses.rest("a") for _ in range(min(times, 12))]
    assert rests[0] == 1.0
    assert all(after == min(LONGEST_REST, 2 * before) for before, after in pairwise(rests))
    losses._in_a_row["a"] = times
    assert losses.rest("a") <= LONGEST_REST
    losses.progressed("a", None)
    assert losses.rest("a") == 1.0


def test_lost_nodes_count_against_no_job() -> None:
    losses = Losses(lambda: Hosts(NODES))
    assert [losses.ended("a", at("0"), GONE) for _ in range(9)] == [0] * 9
    assert losses.shunned("a") == frozenset()
    assert [losses.ended("a", at("0"), ENDED) for _ in range(2)] == [1, 2]


def test_a_node_is_avoided_after_repeated_faults_in_a_row() -> None:
    losses = Losses(lambda: Hosts(NODES))
    for _ in range(HOST_FAULTS - 1):
        losses.lacked("a", at("0"), "why")
    losses.progressed("b", at("0"))
    losses.lacked("a", at("0"), "why")
    assert losses.avoided == frozenset()
    losses.lacked("a", at("0"), "why")
    assert losses.avoided == {"0"}


def test_a_job_whose_workers_end_is_no_proof_against_a_node() -> None:
    losses = Losses(lambda: Hosts(NODES))
    for _ in range(WORKER_ENDS):
        losses.ended("a", at("0"), ENDED)
    assert losses.avoided == frozenset()
    assert losses.shunned("a") == {"0"}
    losses.ended("b", at("0"), ENDED)
    assert losses.avoided == {"0"}


def test_a_lost_job_may_go_back_after_a_while_but_not_to_a_bad_node() -> None:
    now = 0.0
    losses = Losses(lambda: Hosts(NODES), clock=lambda: now)
    losses.ended("a", at("0"), ENDED)
    losses.lacked("a", at("1"), "why")
    losses.lacked("b", at("1"), "why")
    now = ELSEWHERE_SECONDS - 1
    assert losses.shunned("a") == {"0", "1"}
    now = ELSEWHERE_SECONDS
    assert losses.shunned("a") == losses.avoided == {"1"}


def test_the_only_node_is_never_avoided() -> None:
    losses = Losses(lambda: Hosts({"0": "host0"}))
    for job in "abcabc":
        losses.lacked(job, at("0"), "why")
        losses.ended(job, at("0"), ENDED)
    assert losses.avoided == losses.shunned("a") == frozenset()
    assert not losses.elsewhere(at("0"))


def test_bad_nodes_serve_again_when_all_others_have_left() -> None:
    usable = dict(NODES)
    losses = Losses(lambda: Hosts(usable))
    losses.lacked("a", at("0"), "why")
    losses.lacked("b", at("0"), "why")
    assert losses.avoided == {"0"}
    del usable["1"], usable["2"]
    assert losses.avoided == frozenset()
