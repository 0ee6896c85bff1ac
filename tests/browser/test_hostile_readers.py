"""What strangers wrote into forms, links and lists: shown again, it runs nowhere and is legible."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from publisher.core.addresses import normalise
from publisher.core.headers import one_line
from publisher.kit import resources
from tests.browser.hostile_paper import Paper, bare, html_of, mailbox
from tests.browser.watch import Document, Watch
from tests.flow.test_hostile_names import in_mail
from tests.flow.test_preferences import own as own_page
from tests.flow.test_signup import link

ELSEWHERE = "http://mail.example/"
ZONE_SCRIPT = (resources.folder("templates/web") / "static" / "zone.js").read_text()

FIELDS = ("newsletter", "locale", "zone", "cadence", "at", "weekday", "category")
DEEDS = (
    {"do": "{}"},
    {"do": "save", "newsletter": "{}"},
    {"do": "save", "newsletter": "letters", "zone": "{}"},
    {"do": "save", "newsletter": "letters", "cadence": "{}"},
    {"do": "save", "newsletter": "letters", "at": "{}"},
    {"do": "save", "newsletter": "letters", "weekday": "{}"},
    {"do": "save", "newsletter": "letters", "category": "{}"},
    {"do": "pause", "newsletter": "letters", "until": "{}"},
    {"do": "cap", "most": "{}"},
    {"do": "address", "address": "{}"},
)
LINKS = ("confirm", "unsubscribe", "preferences", "address", "editions", "feeds")
SENT_BACK = {
    "email": "input[name=email]@value",
    "name": "input[name=name]@value",
    "zone": "input[name^=zone]@value",
    "at": "input[name^=at]@value",
}


def test_what_is_wrong_with_a_form_is_shown_again(hostile: Paper, watch: Watch) -> None:
    """Every field of the form to sign up at once; of single ones, and of a reader's own page, one
    for each of the words."""
    hostile.room.join("cy", newsletter="letters")
    mine = own_page(hostile.room, "cy@reader.example")
    form = "/subscribe?newsletter=letters"  # the others have hundreds of categories to choose from
    documents = {
        "offer": Document(
            html=hostile.get("/subscribe"), at=f"{hostile.home}/subscribe", forms=True
        )
    }
    for number, words in enumerate(hostile.words):
        everything = {"email": words, "name": words, "zone": words, "at": words}
        documents[f"form {number}"] = Document(
            html=hostile.post(form, **everything),
            at=f"{hostile.home}/subscribe",
            texts=SENT_BACK,
            forms=True,
        )
        field = {"email": "eve@reader.example", "newsletter": "letters"}
        field[FIELDS[number % len(FIELDS)]] = words
        documents[f"field {number}"] = service(hostile, form, **field)
        deed = DEEDS[number % len(DEEDS)]
        filled = {name: words if value == "{}" else value for name, value in deed.items()}
        documents[f"deed {number}"] = service(hostile, mine, **filled)
    shown = watch.harmless(distinct(documents))
    for name, texts in shown.items():
        kind, _, digits = name.partition(" ")
        number = int(digits or 0)
        if kind == "form":
            words = sendable(hostile.words[number])
            # A browser leaves line breaks and NUL out of a field of one line.
            assert {bare(each) for each in (*texts["email"], *texts["name"])} == {bare(words)}
            if words:
                assert bare(texts["zone"][0]) == bare(texts["at"][0]) == bare(words)
        elif kind == "field":
            start = re.match(r"[ -~]{0,18}", hostile.words[number].strip())
            assert start
            for sentence in texts.get("wrong", []):
                assert bare(unquoted(start[0])) in bare(unquoted(sentence)), name


def test_links_and_questions_that_were_made_up(hostile: Paper, watch: Watch) -> None:
    documents = {}
    for number, words in enumerate(hostile.words):
        quoted = quote(words or "nothing", safe="", errors="replace")
        for path in (
            *(f"/{kind}/{quoted}" for kind in LINKS),
            f"/subscribe?newsletter={quoted}",
            f"/{quoted}",
        ):
            documents[f"{path.split(quoted)[0]} {number}"] = Document(
                html=hostile.get(path), at=hostile.home + path, forms=True
            )
    watch.harmless(distinct(documents))


def test_names_and_addresses_of_readers(hostile: Paper, watch: Watch) -> None:
    """From signing up to being forgotten; what the words allow no mailbox of, as far as the page
    on which it is confirmed."""
    own_script = (ZONE_SCRIPT,)
    documents: dict[str, Document] = {}
    boxes = {mailbox(number, words): words for number, words in enumerate(hostile.words)}
    one_each = {normalise(address): address for address in boxes}
    readers = {address: boxes[address] for address in one_each.values()}
    for address, words in readers.items():
        hostile.post("/subscribe", email=address, name=words, newsletter="letters")
    hostile.deliver()
    quoted = [each for each in readers if not re.match(r"reader\d+@", each)]
    for address in readers:
        mail = hostile.last_mail(address)
        path = link(mail)
        documents[f"confirm {address}"] = Document(
            html=hostile.get(path),
            at=hostile.home + "/confirm/x",
            forms=True,
            texts={"address": "b[dir=auto]", "name": "p > span[dir=auto]"},
        )
        if address in quoted:
            documents[f"mail to confirm {address}"] = Document(
                html=html_of(mail), at=ELSEWHERE, texts={"spans": "span[dir=auto]"}
            )
            hostile.post(path)
    some = quoted[:: max(1, len(quoted) // 50)]
    hostile.deliver()
    for address in some:
        mine = own_page(hostile.room, address)
        new = address.replace("@reader", "@new")
        for name, html in (
            ("preferences", hostile.get(mine)),
            ("asked", hostile.post(mine, do="address", address=new)),
            ("erase", hostile.post(mine, do="erase")),
        ):
            documents[f"{name} {address}"] = Document(
                html=html, at=hostile.home + "/preferences/x", forms=True, ours=own_script,
                texts={"address": "b[dir=auto]"},
            )  # fmt: skip
    hostile.deliver()
    for address in some:
        new = address.replace("@reader", "@new")
        path = link(hostile.last_mail(new), "address")
        documents[f"address {new}"] = Document(
            html=hostile.get(path),
            at=hostile.home + "/address/x",
            forms=True,
            texts={"address": "b[dir=auto]"},
        )
        hostile.post(path)
    hostile.deliver()
    for mail in hostile.server.mails:
        if mail.recipient in some or mail.recipient.endswith("@new.example"):
            documents[f"mail {len(documents)}"] = Document(html=html_of(mail), at=ELSEWHERE)
    shown: dict[str, Mapping[str, list[str]]] = {}
    for at in {each.at for each in documents.values()}:
        shown |= watch.harmless({name: each for name, each in documents.items() if each.at == at})
    for name, texts in shown.items():
        kind, _, address = name.partition(" ")
        if kind in ("confirm", "preferences", "erase", "address"):
            assert texts["address"][0] == address, name
        if kind == "confirm":
            assert texts["name"] == ([one_line(readers[address], 100)] if texts["name"] else [])
            assert bool(texts["name"]) == bool(one_line(readers[address], 100))
    print(f"\nmailboxes: {len(quoted)} of {len(readers)}")


def test_names_that_were_imported_in_a_letter_of_the_operators_own(
    hostile: Paper, watch: Watch
) -> None:
    room = hostile.room
    rows = ["Email,Name"]
    for number, words in enumerate(hostile.words):
        name = words.replace("\0", "").replace('"', '""')
        rows.append(f'listed{number}@reader.example,"{name}"')
    path = room.site.folder / "list.csv"
    path.write_text("\n".join(rows), "utf-8", "replace", newline="")
    room.site.call("subscribers", "import", str(path), "--newsletter", "letters")
    room.publish("For the letters")
    assert room.plan("letters") >= len(hostile.words)
    hostile.deliver()
    shown = watch.harmless(
        {
            each.recipient: Document(html=html_of(each), at=ELSEWHERE, texts={"to": ".to"})
            for each in hostile.server.mails
            if each.recipient.startswith("listed")
        },
    )
    assert len(shown) == len(hostile.words)
    for address, texts in shown.items():
        words = hostile.words[int(re.findall(r"\d+", address)[0])]
        name = in_mail(words)[:200].strip()
        assert bare(texts["to"][0]) == bare(f"Dear {name} ({address})"), ascii(words)


def service(hostile: Paper, path: str, **fields: str) -> Document:
    """What is answered to a form."""
    return Document(
        html=hostile.post(path, **fields),
        at=f"{hostile.home}/{path.split('/')[1]}",
        texts={"wrong": ".wrong"},
        ours=(ZONE_SCRIPT,),
        forms=True,
    )


def distinct(documents: Mapping[str, Document]) -> dict[str, Document]:
    """Of those that are the same to the byte one."""
    names = {each.html: name for name, each in documents.items()}
    return {name: documents[name] for name in names.values()}


def unquoted(text: str) -> str:
    return re.sub(r"""[\\'"]""", "", text)


def sendable(words: str) -> str:
    """As it comes from a form, and as a browser shows NUL."""
    return words.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
