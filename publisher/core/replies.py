"""The words of a mail server: what is kept of them, and what they say where its codes say nothing.

The lists of words are short on purpose. A reply that none of them knows costs a reader one mail;
one that is misread could cost the reader the newsletter.
"""

import re

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_IN_BRACKETS = re.compile(r"\(#([245]\.\d{1,3}\.\d{1,3})\b")  # as qmail writes it, anywhere
_ADDRESS = re.compile(
    r"""<?
        (?: "(?:[^"\\]|\\.)*+"
          | (?<![^\s<>@,;:"]) [^\s<>@,;:"]++ )  # from its first letter on: in linear time
        \s?@[\s@]*+ [^\s<>,;:"']*+
        >?""",
    re.VERBOSE,
)

_SOMEBODY = r"(?:user|mailbox|recipient|address|account|domain|customer)"
_NO_SUCH_ADDRESS = re.compile(
    rf"""\b(?: no\ such\ (?:person|local|{_SOMEBODY})
            | (?:unknown|invalid|non-?existent)\ (?:local|{_SOMEBODY})
            | no\ {_SOMEBODY}\ (?:here|by\ that\ name)
            | not\ (?:a\ (?:known|valid)|our)\ {_SOMEBODY} )\b
      | (?: \b{_SOMEBODY} | <recipient> )[^\w<]{{0,3}}\s?(?:is\ )?
        (?: unknown | (?:was\ )?not\ found | (?:does\ not|doesn't|doesn’t)\ exist )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_POLICY = re.compile(
    r"""\b(?: spam\w* | unsolicited | bulk | abus\w+ | blocked | block(?:ing|\ )?list\w*
            | black\ ?list\w* | deny\ ?list\w* | dnsbl | rbl | reputation | polic(?:y|ies)
            | dmarc | spf | dkim | banned | rate | rate-?limit\w* | throttl\w+
            | too\ many\ (?:messages|mails|connections) | access\ denied
            | relay(?:ing)?\ (?:is\ )?(?:denied|prohibited|not\ (?:allowed|permitted)) )\b""",
    re.IGNORECASE | re.VERBOSE,
)
_OUR_SENDER = re.compile(
    r"""\bsender\ (?: verif\w+\ failed | (?:address\ )?(?:was\ |is\ )?(?:rejected|refused|unknown)
                    | domain\ (?:must|does\ not|not\ found) )
      | \b(?: invalid | unknown | bad ) \ sender \b""",
    re.IGNORECASE | re.VERBOSE,
)
_TOO_MANY_RECIPIENTS = re.compile(r"\btoo many (?:recipients|rcpts?)\b", re.IGNORECASE)
_ROOM = re.compile(r"\b(?:storage|quota|full|size|space|too (?:big|large|long))\b", re.IGNORECASE)
_SMTPUTF8 = re.compile(r"utf-?8|internationali[sz]ed|non-ascii", re.IGNORECASE)


def enhanced_status(text: str) -> str:
    """The RFC 3463 status that a reply begins with (or has as `(#5.1.1)`), or nothing."""
    found = _ENHANCED.match(text) or _IN_BRACKETS.search(text)
    return found.group(1) if found else ""


def printable_reply(text: str, limit: int = 500) -> str:
    """A server's reply as it may be kept and logged: one line, no control character, no address."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _ADDRESS.sub("<recipient>", line)[:limit]


def without_mailbox(reply: str, address: str) -> str:
    """A printable reply without what stands before the @ in the address, where that is a word."""
    mailbox = address.rpartition("@")[0]
    if not mailbox or mailbox.lower() not in reply.lower():
        return reply
    word = rf"(?<!\w){re.escape(mailbox)}(?!\w)"
    return re.sub(word, "<recipient>", reply, flags=re.IGNORECASE)


def says_no_such_address(text: str) -> bool:
    """Whether it says plainly that there is no such mailbox or domain."""
    return _NO_SUCH_ADDRESS.search(text) is not None


def speaks_of_policy(text: str) -> bool:
    """Whether it is us or our mail, not the reader, that they will not have."""
    return _POLICY.search(text) is not None


def refuses_our_sender(text: str) -> bool:
    """Whether it is about the address in MAIL: even where it goes on `user unknown`."""
    return _OUR_SENDER.search(text) is not None


def speaks_of_too_many_recipients(text: str) -> bool:
    return _TOO_MANY_RECIPIENTS.search(text) is not None


def speaks_of_room(text: str) -> bool:
    """Whether there is no room for the mail, in a mailbox or because of its size."""
    return _ROOM.search(text) is not None


def speaks_of_smtputf8(text: str) -> bool:
    return _SMTPUTF8.search(text) is not None
