"""Audiences and their index."""

from target_batch.sandbox.store.audiences import Audience, MemberChange


def audience() -> Audience:
    return Audience("a", "custom_ids", "A", 0.0, 0.0)


def add(*ids: str) -> list[MemberChange]:
    return [MemberChange("add", identifier) for identifier in ids]


def test_changes_are_indexed_in_order_when_they_are_due() -> None:
    one = audience()
    first = one.accept("update", add("u1"), 10.0)
    second = one.accept("replace", add("u2"), 20.0)
    one.settle(9.9)
    assert (list(one.members), one.state(first), one.state()) == ([], "IN_PROGRESS", "IN_PROGRESS")
    one.settle(10.0)
    assert (list(one.members), one.state(first), one.state(second)) == (
        ["u1"],
        "APPLIED",
        "IN_PROGRESS",
    )
    one.settle(30.0)
    assert (list(one.members), one.state(second), one.state()) == (["u2"], "REPLACED", "REPLACED")


def test_an_unknown_token_has_no_state() -> None:
    assert audience().state("other") is None


def test_a_change_never_overtakes_an_older_one() -> None:
    one = audience()
    one.accept("update", add("u1"), 10.0)
    one.accept("update", [MemberChange("remove", "u1")], 5.0)
    one.settle(7.0)
    assert len(one.pending) == 2
    one.settle(10.0)
    assert not one.members
