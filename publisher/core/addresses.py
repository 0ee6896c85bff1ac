"""Mail addresses: which are taken, when two are the same, and how one stands in a header."""

import re
import unicodedata

from email_validator import EmailNotValidError, validate_email

from publisher.core.headers import encoded_words, is_plain, one_line
from publisher.errors import PermanentError

_SHOWN = 80  # characters of a refused address that its sentence repeats
_NAME = 100
_PLAIN_NAME = 50  # longer ones are encoded, and so can be folded anywhere
_WIDTH = 76
_LOCAL_OCTETS = 64  # RFC 5321 4.5.3.1.1
_ADDRESS_OCTETS = 254  # RFC 5321 4.5.3.1.3: a path of 256 with its angle brackets
_ADDRESS = re.compile(
    r"""(?: "(?:[ !\x23-\x5b\x5d-\x7e\x80-\U0010ffff] | \\[ -~])+"
          | [^\s"<>(),:;\[\]\\@\x00-\x1f\x7f]+ )
        @[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?""",
    re.VERBOSE,
)
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_MAILBOX = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*"\s*|[^<>]*)<(?P<address>.*)>')
_PAIR = re.compile(r"\\(.)")


def check(address: str) -> str:
    """The one address in `address`, fit for an SMTP envelope: NFC, its domain in ASCII and small
    letters.

    Raises PermanentError with a sentence when it is not exactly one address.
    """
    given = address.strip(" \t")
    shown = one_line(given, _SHOWN)
    if not given:
        raise PermanentError("the address is empty")
    try:
        given.encode()
        found = validate_email(given, check_deliverability=False, allow_quoted_local=True)
    except UnicodeEncodeError as error:
        raise PermanentError(f"'{shown}' is not text that can be sent") from error
    except EmailNotValidError as error:
        raise PermanentError(f"'{shown}' is not a mail address: {error}") from error
    local = unicodedata.normalize("NFC", found.local_part)
    checked = f"{local}@{found.ascii_domain.lower()}"
    if len(local.encode()) > _LOCAL_OCTETS:
        raise PermanentError(f"'{shown}' has more than {_LOCAL_OCTETS} bytes before the @")
    if len(checked.encode()) > _ADDRESS_OCTETS:
        raise PermanentError(f"'{shown}' is longer than {_ADDRESS_OCTETS} bytes")
    # What is said to the server is looked at once more by our own rule, whatever a library takes.
    if not _ADDRESS.fullmatch(checked):
        raise PermanentError(f"'{shown}' is not a mail address")
    return checked


def normalise(address: str) -> str:
    """The key under which `address` is known: equal for all ways of writing the same mailbox.

    Raises PermanentError as `check` does.
    """
    local, _, domain = check(address).rpartition("@")
    # RFC 5321 lets a host tell `A` from `a`; none does, and readers mix them.
    return f"{unicodedata.normalize('NFC', local.casefold())}@{domain}"


def needs_smtputf8(address: str) -> bool:
    """Whether only a server that offers SMTPUTF8 (RFC 6531) can take this checked address."""
    return not address.isascii()


def parse_mailbox(text: str) -> tuple[str, str]:
    """Name (may be empty) and checked address of `Example News <news@news.example>`.

    Raises PermanentError with a sentence.
    """
    found = _MAILBOX.fullmatch(text.strip())
    if found is None:
        return "", check(text)
    name = found["name"].strip()
    if len(name) > 1 and name.startswith('"') and name.endswith('"'):
        name = _PAIR.sub(r"\1", name[1:-1])
    return one_line(name, _NAME), check(found["address"])


def format_mailbox(name: str, address: str, column: int = 10) -> str:
    """Name and checked address as a header's value: ASCII, folded, and nothing but one mailbox
    whatever the name holds; `column` characters stand before it on its line.

    Raises PermanentError for an address that a header cannot hold (see `needs_smtputf8`).
    """
    if not address.isascii() or not _ADDRESS.fullmatch(address):
        raise PermanentError(f"'{one_line(address, _SHOWN)}' cannot stand in a header")
    return format_phrase(name, address, column)


def format_phrase(name: str, token: str, column: int = 10) -> str:
    """`name <token>`, ASCII and folded; the token is taken as it is."""
    name = one_line(name, _NAME)
    if not name:
        return f"<{token}>"
    if not is_plain(name) or len(name) > _PLAIN_NAME:
        phrase = encoded_words(name, column)
    elif _ATOMS.fullmatch(name):
        phrase = name
    else:
        phrase = '"' + name.replace("\\", r"\\").replace('"', r"\"") + '"'
    line = len(phrase) - phrase.rfind("\n") + column
    fold = " " if line + len(token) < _WIDTH else "\r\n "
    return f"{phrase}{fold}<{token}>"
