"""Feeds and mailed digests from the articles of a news site."""

__version__ = "0.1.0"
