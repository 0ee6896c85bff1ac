"""The errors this program raises on purpose: each carries what a person needs to mend it.

Three kinds decide what happens next: *configuration* stops the command with its sentence,
*transient* is tried again later, *permanent* is written down and never tried again.
"""


class PublisherError(Exception):
    """Base of all; `str()` of it is one sentence for the operator."""


class ConfigurationError(PublisherError):
    """Something the operator set (a key, a path, a template) cannot work as it stands."""


class TransientError(PublisherError):
    """It failed now and may work later (network, lock, full disk)."""


class AwayError(TransientError):
    """The database cannot be used now. It has been said once, for all that wait for it."""


class PermanentError(PublisherError):
    """It will fail again in the same way (refused address, unreadable content)."""


class UnreadableError(PermanentError):
    """A document that cannot be taken; `reason` says why in the words shown in quarantine."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OverrunError(PermanentError):
    """A template takes more time, memory or room than any mail needs, or breaks what renders it."""


class NotFoundError(PermanentError):
    """Something named by the caller (an article, a newsletter, a subscriber) does not exist."""
