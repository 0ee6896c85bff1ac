"""An edition from its mail to the browser of whoever has the address."""

import re
from email import message_from_bytes, policy
from pathlib import Path

from tests.flow.site import Site, until
from tests.flow.smtp import SmtpServer


def test_the_address_in_a_mail_leads_to_its_edition_without_its_reader(
    tmp_path: Path, server: SmtpServer
) -> None:
    site = Site(tmp_path, smtp_port=server.port)
    article = site.write("ferry.md", "The ferry is back", "It left at dawn.")
    site.call("ingest", str(site.folder / "articles"))
    site.call("publish")
    site.add_reader("ada@reader.example", name="Ada Lovelace", since="9d")
    with site.daemon():
        site.call("newsletters", "send", "daily", "--now")
        [mail] = until(lambda: server.mails, "the mail")
        text = message_from_bytes(mail.data, policy=policy.default).get_body(("plain",))
        address = re.search(rf"http://127.0.0.1:{site.port}(/editions/\S+)", text.get_content())
        assert address
        status, page = site.get(address[1])
        assert status == 200
        assert b"The ferry is back" in page
        for private in (b"Ada", b"ada@", b"nsubscribe", b"browser"):
            assert private in mail.data
            assert private not in page
        article.unlink()
        until(lambda: site.get(address[1])[0] == 410, "the edition to go with its only article")
        assert site.get("/editions/1-000000000000")[0] == 404
