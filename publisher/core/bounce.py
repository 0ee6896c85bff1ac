"""What becomes of a reader whose address bounces."""

from datetime import timedelta

from publisher.core.model import SubscriberState

REMEMBERED = timedelta(days=60)
MOST_HARD = 3
"""A server that says once that there is no such user may be mistaken, or be set up anew."""


def after_hard_bounces(count: int) -> SubscriberState:
    """`count`: editions within `REMEMBERED` whose mail bounced for good, this one included."""
    return SubscriberState.SUPPRESSED if count >= MOST_HARD else SubscriberState.BOUNCING
