"""An edition as everybody can read it: its mail's page without what is its reader's own."""

import re
from email import message_from_bytes, policy

from publisher.core import splice
from publisher.core.links import feeds_url
from publisher.core.model import Rendering, Site
from publisher.newsletters.render import READER

_MAIL_ONLY = re.compile(r"<!--mail-->.*?<!--/mail-->", re.DOTALL)


def page(rendering: Rendering, site: Site) -> str:
    """The HTML without what templates put between `<!--mail-->` and `<!--/mail-->`.

    Where a reader's own links would stand elsewhere, it leads to the front page, and their name
    is left out.
    """
    front = feeds_url(site)
    nobody = {word: front if word.endswith("_url") else "" for word in READER}
    head = f'Content-Type: multipart/alternative; boundary="{rendering.boundary}"\r\n\r\n'
    body = splice.fill(rendering.body, nobody)
    parts = message_from_bytes(head.encode("ascii") + body, policy=policy.default)
    html = parts.get_body(("html",))
    return _MAIL_ONLY.sub("", html.get_content()) if html else ""
