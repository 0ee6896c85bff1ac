"""What is wrong with how a feed is served, judged by the answers that a strict reader was given."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_BYTES = 1_000_000
"""Readers cut off feeds at 512 KB to 15 MB."""
_UNPACKED = 16 * 1024 * 1024


class Reply(Protocol):
    """An answer over HTTP as it came over the wire."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]:
        """Found by names in small letters."""
        ...

    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """What came of asking for one feed in all the ways that readers and caches do."""

    plain: Reply
    """Asked for without conditions and without compression."""
    same_tag: Reply | None
    """Asked with the ETag of `plain`, if it had one."""
    same_date: Reply | None
    """Asked with the Last-Modified of `plain`, if it had one."""
    other_tag: Reply
    """Asked with an ETag that the feed never had."""
    packed: Reply
    """Asked by who takes gzip."""
    same_packed: Reply | None
    """Asked by the same with the ETag of `packed`, if it had one."""
    head: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is wrong with a feed."""

    sentence: str
    """The feed's address stands in front of it: "https://…/rss.xml: has no ETag, …"."""
    hint: bool = False
    """Some server on the way may do so, without harm."""


def unfit(reply: Reply) -> str:
    """What keeps an answer from being read as a feed at all; empty if nothing does."""
    kind = _type(reply)
    if 300 <= reply.status < 400:
        where = reply.headers.get("location", "nowhere")
        return f"leads elsewhere ({reply.status}, {where}): site.url is to be where the feeds are"
    if reply.status != 200:
        return f"is answered with {reply.status}"
    if "html" in kind:
        return f"is answered with a web page ({kind})"
    if unpacked(reply) is None:
        return f"cannot be unpacked (Content-Encoding: {_encoding(reply)})"
    return ""


def unpacked(reply: Reply) -> bytes | None:
    """The feed in an answer; None where it is packed in a way that cannot be undone."""
    if not _encoding(reply):
        return reply.body
    if _encoding(reply) not in ("gzip", "x-gzip"):
        return None
    unpacker = zlib.decompressobj(31)
    try:
        body = unpacker.decompress(reply.body, _UNPACKED)
    except zlib.error:
        return None
    return body if unpacker.eof else None


def of_serving(replies: Replies, expected: str) -> Iterator[Finding]:
    """What is wrong with how a feed is served; `expected` is its media type.

    Of a feed that did not change between the answers, and whose plain one is not `unfit`.
    """
    plain = replies.plain
    yield from _of_plain(plain, expected)
    if not (tag := plain.headers.get("etag", "")):
        yield Finding(sentence="has no ETag, so readers fetch it as a whole each time")
    elif tag.startswith("W/"):
        yield Finding(sentence="has a weak ETag: a server on the way alters our answers", hint=True)
    elif replies.packed.headers.get("etag", "").startswith("W/"):
        yield Finding(sentence="is compressed by a server on the way (a weak ETag)", hint=True)
    yield from _of_conditions(replies)
    yield from _of_packed(plain, replies.packed)
    yield from _of_head(plain, replies.head)


def _of_plain(plain: Reply, expected: str) -> Iterator[Finding]:
    kind, charset = _type(plain), _charset(plain)
    if kind != expected:
        yield Finding(sentence=f"is sent as {kind or 'nothing in particular'}, not as {expected}")
    if charset not in ("", "utf-8"):
        yield Finding(sentence=f"is sent as {charset}, and is UTF-8")
    if _encoding(plain):
        yield Finding(sentence="is sent compressed to who did not ask for that")
    if len(unpacked(plain) or b"") > MOST_BYTES:
        yield Finding(
            sentence=f"has more than {MOST_BYTES:,} bytes, which some readers do not take "
            "(feeds.entries)"
        )
    if plain.headers.get("x-content-type-options", "").lower() != "nosniff":
        yield Finding(sentence="has lost its X-Content-Type-Options: nosniff", hint=True)
    if plain.headers.get("access-control-allow-origin") != "*":
        yield Finding(
            sentence="has lost its Access-Control-Allow-Origin: *, so no other site's page can "
            "show it",
            hint=True,
        )


def _of_conditions(replies: Replies) -> Iterator[Finding]:
    """RFC 9110, 13.1: who has the feed is told so, and nobody else."""
    asked = {
        "If-None-Match": replies.same_tag,
        "If-None-Match and gzip": replies.same_packed,
        "If-Modified-Since": replies.same_date,
    }
    for status in sorted({each.status for each in asked.values() if each} - {304}):
        names = [name for name, each in asked.items() if each and each.status == status]
        yield Finding(
            sentence=f"is answered with {status} instead of 304 to who has it already "
            f"({', '.join(names)})"
        )
    if replies.other_tag.status == 304:
        yield Finding(sentence="is said to be unchanged to who has another version")
    elif replies.other_tag.status != 200:
        yield Finding(
            sentence=f"is answered with {replies.other_tag.status} to who has another version"
        )


def _of_packed(plain: Reply, packed: Reply) -> Iterator[Finding]:
    """RFC 9110, 8.8.3.3: the compressed feed is a version of its own, and caches must be told."""
    encoding = _encoding(packed)
    body = unpacked(packed)
    tags = [reply.headers.get("etag", "") for reply in (plain, packed)]
    varies = {name.strip().lower() for name in packed.headers.get("vary", "").split(",")}
    if packed.status != 200:
        yield Finding(sentence=f"is answered with {packed.status} to who takes gzip")
    elif body is None:
        yield Finding(sentence=f"cannot be unpacked by who takes gzip (it is sent as {encoding})")
    elif body != unpacked(plain):
        yield Finding(sentence="is another version when it is compressed")
    elif not encoding:
        yield Finding(sentence="is not compressed for who takes gzip", hint=True)
    elif not varies & {"accept-encoding", "*"}:
        yield Finding(
            sentence="has no Vary: Accept-Encoding, so caches mix up its compressed and plain forms"
        )
    elif tags[0] == tags[1] and tags[0].startswith('"'):
        yield Finding(
            sentence="has one ETag for its compressed and its plain form, so caches mix them up"
        )


def _of_head(plain: Reply, head: Reply) -> Iterator[Finding]:
    if head.status != plain.status:
        yield Finding(sentence=f"is answered with {head.status} to HEAD, with 200 to GET")
        return
    for name in ("content-type", "etag", "content-length"):
        got, told = plain.headers.get(name), head.headers.get(name)
        # A length may be missing: it is known of a compressed answer only once that was made.
        if got != told and (name != "content-length" or (got and told)):
            yield Finding(sentence=f"has another {name.title()} when asked with HEAD")


def merged(found: Sequence[tuple[str, Finding]]) -> list[tuple[list[str], Finding]]:
    """Each finding once, with the addresses that it is about; in the order of the first of each."""
    addresses: dict[Finding, list[str]] = {}
    for address, finding in found:
        addresses.setdefault(finding, []).append(address)
    return [(about, finding) for finding, about in addresses.items()]


def _type(reply: Reply) -> str:
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower()


def _charset(reply: Reply) -> str:
    for part in reply.headers.get("content-type", "").split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"').lower()
    return ""


def _encoding(reply: Reply) -> str:
    encoding = reply.headers.get("content-encoding", "").strip().lower()
    return "" if encoding == "identity" else encoding
