"""What another server may do to us when we ask it something: neither hold us up nor fill us up."""

import threading
import time
from collections.abc import Iterator

import pytest

from publisher.errors import TransientError
from publisher.kit.fetch import fetch
from tests.flow.hub import Act, Hub, answer, babble, drip, flood, hang, hang_up
from tests.flow.site import free_port

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(fetches=False).running() as running:
        yield running


def post(hub: Hub, **limits: float) -> object:
    return fetch(
        hub.url,
        method="POST",
        headers=FORM,
        content=b"hub.topic=a",
        seconds=limits.get("seconds", 10),
        most_bytes=100_000,
    )


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (hang, "takes longer than 0.5 s"),
        (drip, "takes longer than 0.5 s"),
        (flood, "sends more than 100,000 bytes"),
        (babble, "cannot be asked: "),
        (hang_up, "cannot be asked: "),
    ],
)
def test_a_server_that_misbehaves_is_told_and_holds_up_nobody(
    hub: Hub, act: Act, reason: str
) -> None:
    hub.always = act
    begun = time.monotonic()
    with pytest.raises(TransientError, match=reason) as caught:
        post(hub, seconds=0.5)
    assert str(caught.value).startswith(f"127.0.0.1:{hub.port} ")
    assert time.monotonic() - begun < 5


def test_nobody_there_is_told() -> None:
    port = free_port()
    with pytest.raises(TransientError, match=f"127.0.0.1:{port} cannot be asked: "):
        fetch(f"http://secret:user@127.0.0.1:{port}/")


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(TransientError, match="cannot be asked"):
        fetch("http://[::1")


def test_a_redirection_is_an_answer(hub: Hub) -> None:
    hub.always = answer(307, "elsewhere", Location="http://127.0.0.1:1/")
    found = fetch(hub.url, method="POST", headers=FORM, content=b"hub.topic=a")
    assert (found.status, found.headers["location"]) == (307, "http://127.0.0.1:1/")
    assert found.body == b"elsewhere"
    assert hub.forms == [{"hub.topic": ["a"]}]


def test_who_is_told_to_stop_waits_no_longer(hub: Hub) -> None:
    hub.always = hang
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(TransientError, match="is not waited for any more"):
        fetch(hub.url, method="POST", headers=FORM, content=b"hub.topic=a", stopping=stop.is_set)
    assert time.monotonic() - begun < 5
    timer.join()
