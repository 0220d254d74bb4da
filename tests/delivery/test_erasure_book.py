"""The book of erasures never forgets a person before their return is on disk."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from target_batch.common.errors import DeliveryError
from target_batch.common.storage import LocalFolder
from target_batch.report.erasures import ErasureBook

if TYPE_CHECKING:
    from pathlib import Path

    from target_batch.common.storage import Appender


def test_people_whose_return_could_not_be_recorded_still_count_as_erased(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise an update could bring them back, and a later deletion would not erase them again."""
    people = ["p1", "p2", "p3"]
    files = []

    class Folder(LocalFolder):
        def append(self, name: str) -> Appender:
            files.append(super().append(name))
            return files[-1]

    book = ErasureBook(Folder(tmp_path), "run", lambda: 0.0, dry=False)
    for person in people:
        book.write("app", person, "users", "request")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("target_batch.common.storage.LocalAppender.write", full)
        with pytest.raises(DeliveryError):
            book.returned(people)
    assert book.erased(people) == people
    book.returned(people)
    assert book.erased(people) == []
    files.pop().close()
    assert ErasureBook(LocalFolder(tmp_path), "next", lambda: 1.0, dry=False).erased(people) == []
