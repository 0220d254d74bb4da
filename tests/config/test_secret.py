"""A secret is never printed or written by accident."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from target_batch.batch_api.endpoints import App, Project
from target_batch.common.errors import ConfigurationError
from target_batch.common.redaction import Secret
from target_batch.config.checks import load

CANARY = "canary-key-11d7"


def test_every_form_of_printing_hides_a_secret() -> None:
    secret = Secret(CANARY)
    settings = load({"rest_api_key": CANARY, "app_api_keys": [CANARY, CANARY]})
    calls = [
        App(secret, secret).call("1.0", "GET", "vip"),
        Project(secret, "p", "2.11").post("/profiles/update", b"[]"),
    ]
    shown = [f"{secret} {secret!r} {secret:>9} %s" % secret, str({"key": [secret]}), repr(settings)]
    shown += [repr(call) for call in calls]
    assert not [text for text in shown if CANARY in text]
    assert secret.reveal() == CANARY


@pytest.mark.parametrize("write", [pickle.dumps, json.dumps, copy.deepcopy])
def test_a_secret_cannot_be_serialized_or_copied(write: object) -> None:
    with pytest.raises(TypeError):
        write(Secret(CANARY))  # type: ignore[operator]


def test_equal_secrets_compare_equal() -> None:
    """An app key that is configured twice is called once."""
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert Secret("a") != "a"


@pytest.mark.parametrize("value", [7, ["x"], {"a": CANARY}])
def test_a_key_that_is_not_a_text_is_refused_without_showing_it(value: object) -> None:
    with pytest.raises(ConfigurationError, match="`rest_api_key` is wrong: Expected `str`") as refused:
        load({"rest_api_key": value})
    assert CANARY not in str(refused.value)
