"""The log of requests."""

from target_batch.sandbox.store.requests import CONTENT_BYTES, KEPT, Content, RequestRow, Requests, Search


def row(number: int, status: int = 404) -> RequestRow:
    return RequestRow(number, "GET", "/", "", status, 0, 10, 0.0, 0.0, 0.0, "", 0, applied=False)


def filled(times: int, body: bytes = b"") -> Requests:
    log = Requests()
    for _ in range(times):
        log.leave(row(log.enter()), Content("", body, b"", 0))
    return log


def test_the_log_is_bounded_and_the_totals_are_not() -> None:
    log = filled(KEPT + 5)
    assert (log.total, log.bytes) == (KEPT + 5, 10 * (KEPT + 5))
    assert log.statuses == {("unknown", 404): KEPT + 5}
    assert [r.number for r in log.page(0, 2)] == [6, 7]
    assert [r.number for r in log.latest(2)] == [KEPT + 4, KEPT + 5]
    assert (log.in_flight, log.peak_in_flight) == (0, 1)
    assert log.one(5) is None


def test_the_kept_contents_of_requests_are_bounded_and_the_newest_stay() -> None:
    body = b"x" * (CONTENT_BYTES // 4)
    log = filled(10, body)
    kept = [number for number in range(1, 11) if (found := log.one(number)) and found[1]]
    assert kept == [7, 8, 9, 10]


def test_a_content_that_is_too_large_alone_is_not_kept() -> None:
    log = filled(1, b"x" * (CONTENT_BYTES + 1))
    found = log.one(1)
    assert found is not None
    assert found[1] is None
    assert log.find(Search(), 0, 10)[0] == 1
