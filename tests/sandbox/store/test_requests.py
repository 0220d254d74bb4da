"""The log of requests."""

from target_batch.sandbox.store.requests import KEPT, RequestRow, Requests


def row(number: int) -> RequestRow:
    return RequestRow(number, "GET", "/", "", 404, 0, 10, 0.0, 0.0, 0.0, "", 0, applied=False)


def test_the_log_is_bounded_and_the_totals_are_not() -> None:
    log = Requests()
    for _ in range(KEPT + 5):
        log.leave(row(log.enter()))
    assert (log.total, log.bytes) == (KEPT + 5, 10 * (KEPT + 5))
    assert log.statuses == {("unknown", 404): KEPT + 5}
    assert [r.number for r in log.page(0, 2)] == [6, 7]
    assert [r.number for r in log.latest(2)] == [KEPT + 4, KEPT + 5]
    assert (log.in_flight, log.peak_in_flight) == (0, 1)
