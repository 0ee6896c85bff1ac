"""A link in a mail works for ever, for what it was made for, and only as it was made."""

import string
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.tokens import BadTokenError, Purpose, read, sign
from publisher.errors import PermanentError

OLD, NEW = b"o" * 32, b"n" * 32
KEYS = {"k1": OLD, "k2": NEW}

PAYLOADS = st.lists(st.integers() | st.text(st.characters(codec="utf-8")), max_size=4)


@given(PAYLOADS)
def test_what_was_signed_is_read(payload: list[int | str]) -> None:
    token = sign(Purpose.UNSUBSCRIBE, payload, "k2", NEW)
    assert read(Purpose.UNSUBSCRIBE, token, KEYS) == payload


def test_the_same_is_signed_to_the_same_bytes() -> None:
    first = sign(Purpose.UNSUBSCRIBE, [4711], "k2", NEW)
    assert first == sign(Purpose.UNSUBSCRIBE, (4711,), "k2", NEW)
    assert first != sign(Purpose.UNSUBSCRIBE, [4712], "k2", NEW)


def test_it_is_short_and_needs_no_escaping_in_an_address() -> None:
    token = sign(Purpose.UNSUBSCRIBE, [2_000_000], "k2", NEW)
    assert len(token) <= 64
    assert set(token) <= set(string.ascii_letters + string.digits + "-_.")


def test_a_link_outlives_a_change_of_key() -> None:
    token = sign(Purpose.UNSUBSCRIBE, [7], "k1", OLD)
    assert read(Purpose.UNSUBSCRIBE, token, KEYS) == [7]
    with pytest.raises(BadTokenError):
        read(Purpose.UNSUBSCRIBE, token, {"k2": NEW})


def test_the_key_id_is_signed_too() -> None:
    token = sign(Purpose.UNSUBSCRIBE, [7], "k1", OLD)
    with pytest.raises(BadTokenError):
        read(Purpose.UNSUBSCRIBE, "k9" + token[2:], {"k1": OLD, "k9": OLD})


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("another", [*Purpose, cast(Purpose, "something else")])
def test_a_token_for_one_purpose_is_worth_nothing_for_another(
    purpose: Purpose, another: Purpose
) -> None:
    token = sign(purpose, [7], "k2", NEW)
    if purpose is another:
        assert read(another, token, KEYS) == [7]
        return
    with pytest.raises(BadTokenError):
        read(another, token, KEYS)


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("payload", [[7], [70], [700, "a"], ["long " * 100]])
def test_no_byte_of_it_can_be_another(payload: list[int | str], purpose: Purpose) -> None:
    token = sign(purpose, payload, "k2", NEW)
    for place in range(len(token)):
        for code in range(256):
            if (other := chr(code)) != token[place]:
                with pytest.raises(BadTokenError):
                    read(purpose, token[:place] + other + token[place + 1 :], KEYS)


def test_nothing_can_be_cut_off_or_added() -> None:
    token = sign(Purpose.UNSUBSCRIBE, [7], "k2", NEW)
    for altered in [
        *(token[:n] for n in range(len(token))),
        *(token[n:] for n in range(1, len(token))),
        *(token + more for more in (".", "=", "==", "A", " ", "\n", "\0", "é", "\ud800")),
        " " + token,
    ]:
        with pytest.raises(BadTokenError):
            read(Purpose.UNSUBSCRIBE, altered, KEYS)


@given(st.text())
def test_any_other_text_is_a_bad_token(text: str) -> None:
    with pytest.raises(BadTokenError):
        read(Purpose.UNSUBSCRIBE, text, KEYS | {"": NEW})


def test_a_bad_token_is_a_permanent_error_with_a_sentence() -> None:
    with pytest.raises(PermanentError, match="link"):
        read(Purpose.UNSUBSCRIBE, "k2.nonsense", KEYS)


@pytest.mark.parametrize("key_id", ["", "a.b", "k 1", "ключ", "k" * 33, "k1\n"])
def test_a_key_id_that_would_not_survive_in_a_link_is_refused(key_id: str) -> None:
    with pytest.raises(ValueError, match="key id"):
        sign(Purpose.UNSUBSCRIBE, [1], key_id, NEW)
