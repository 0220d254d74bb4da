"""Audiences and their index."""

from target_batch.sandbox.store.audiences import Audience, Audiences, MemberChange


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
    assert (list(one.members), one.state(second), one.state()) == (["u2"], "APPLIED", "APPLIED")


def test_a_token_older_than_an_indexed_replace_is_replaced() -> None:
    one = audience()
    first = one.accept("update", add("u1"), 1.0)
    second = one.accept("replace", add("u2"), 2.0)
    third = one.accept("update", add("u3"), 3.0)
    one.settle(1.0)
    assert (one.state(first), one.state(second)) == ("APPLIED", "IN_PROGRESS")
    one.settle(3.0)
    assert [one.state(token) for token in (first, second, third)] == ["REPLACED", "APPLIED", "APPLIED"]
    fourth = one.accept("replace", [], 4.0)
    assert [one.state(token) for token in (second, fourth, None)] == ["APPLIED", "IN_PROGRESS", "IN_PROGRESS"]
    one.settle(4.0)
    states = [one.state(token) for token in (first, second, third, fourth)]
    assert states == ["REPLACED", "REPLACED", "REPLACED", "APPLIED"]
    assert one.state() == "APPLIED"


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


def test_pages_go_on_from_an_opaque_cursor_that_may_be_used_again() -> None:
    kept = Audiences()
    for number in range(5):
        kept.add("project", Audience(f"a{number}", "custom_ids", "", 0.0, 0.0))
    kept.add("app-1", Audience("other", "custom_ids", "", 0.0, 0.0))
    first = kept.page("project", None, 2)
    assert first
    cursor = first.cursor
    assert [audience.name for audience in first.audiences] == ["a0", "a1"]
    assert first.has_more
    assert not cursor.isdigit()
    del kept.of("project")["a1"]
    for _ in range(2):
        second = kept.page("project", cursor, 3)
        assert second
        assert [audience.name for audience in second.audiences] == ["a2", "a3", "a4"]
        assert not second.has_more
    assert kept.page("project", "2", 2) is None
