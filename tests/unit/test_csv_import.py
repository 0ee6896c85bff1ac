"""Lists of readers from anywhere: what columns mean, what rows want, what is refused."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.csv_import import (
    EXPORTED,
    Refused,
    Wanted,
    columns_of,
    left_by,
    read_row,
)
from publisher.core.homographs import is_homograph
from publisher.core.model import Cadence, Newsletter
from publisher.core.spreadsheet import as_written, harmless
from publisher.core.wishes import Wishes
from publisher.errors import PermanentError, UnreadableError
from publisher.kit.csv_file import CsvFile
from publisher.kit.first_seen import FirstSeen

DAILY = Newsletter(slug="daily", title="Daily", cadences=(Cadence.DAILY, Cadence.WEEKLY))
ADA = "ada@reader.example"

MAILCHIMP = (
    "Email Address,First Name,Last Name,Address,Phone Number,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,"
    "CONFIRM_TIME,CONFIRM_IP,TIMEZONE,LEID,TAGS"
)
GHOST = (
    "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,"
    "deleted_at,labels,tiers"
)
LISTMONK = "uuid,email,name,attributes,status,created_at,updated_at"
SUBSTACK = "email,active_subscription,expiry,plan,email_disabled,created_at"
KEILA = "Email,First name,Last name,Data,Status,Double opt-in at"


def row_of(header: str, chosen: Mapping[str, str] | None = None, **cells: str) -> Wanted | Refused:
    """What a row with these cells (by header, `_` for a space or `-`) means."""
    titles = header.split(",")
    known = {title.replace(" ", "_").replace("-", "_"): title for title in titles}
    values = {known[name]: value for name, value in cells.items()}
    row = [values.get(title, "") for title in titles]
    return read_row(columns_of(titles, chosen or {}), 7, row, DAILY, {"sport"})


def wanted(*arguments: str, **cells: str) -> Wanted:
    found = row_of(*arguments, **cells)
    assert isinstance(found, Wanted), found
    return found


# columns


def test_a_reader_of_each_well_known_program_is_understood() -> None:
    found = wanted(
        MAILCHIMP,
        Email_Address=ADA,
        First_Name="Ada",
        Last_Name="L.",
        Address="Street 1",
        OPTIN_TIME="2019-03-01 10:00:00",
        CONFIRM_TIME="2019-03-02 11:22:33",
        TIMEZONE="America/New_York",
        TAGS='"vip"',
    )
    assert (found.address, found.name, found.wishes) == (
        ADA,
        "Ada L.",
        Wishes(zone="America/New_York"),
    )
    assert found.subscribed_at == "2019-03-02T11:22:33+00:00"
    found = wanted(
        GHOST,
        email=ADA,
        name="Ada",
        subscribed_to_emails="true",
        created_at="2020-01-02T00:00:00.000Z",
    )
    assert (found.name, found.subscribed_at) == ("Ada", "2020-01-02T00:00:00+00:00")
    assert wanted(LISTMONK, email=ADA, name="Ada", attributes="{}", status="enabled").name == "Ada"
    assert (
        wanted(SUBSTACK, email=ADA, active_subscription="false", email_disabled="false").key == ADA
    )
    found = wanted(KEILA, Email=ADA, First_name="Ada", Last_name="L.", Status="active")
    assert found.name == "Ada L."


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (MAILCHIMP + ",UNSUB_TIME", {"Email_Address": ADA, "UNSUB_TIME": "2020-01-01 00:00:00"}),
        (MAILCHIMP + ",CLEAN_TIME", {"Email_Address": ADA, "CLEAN_TIME": "2020-01-01 00:00:00"}),
        (GHOST, {"email": ADA, "subscribed_to_emails": "false"}),
        (GHOST, {"email": ADA, "subscribed_to_emails": "true", "deleted_at": "2021-01-01"}),
        (LISTMONK, {"email": ADA, "status": "blocklisted"}),
        (LISTMONK, {"email": ADA, "status": "disabled"}),
        (SUBSTACK, {"email": ADA, "email_disabled": "true"}),
        (KEILA, {"Email": ADA, "Status": "unsubscribed"}),
        (KEILA, {"Email": ADA, "Status": "Unreachable"}),
        ("email,status", {"email": ADA, "status": "Non-Subscribed"}),
        ("email,status,subscribed", {"email": ADA, "status": "active", "subscribed": "no"}),
        ("email,status", {"email": ADA, "status": "pending"}),
    ],
)
def test_who_left_or_never_confirmed_there_is_refused(header: str, cells: dict[str, str]) -> None:
    found = row_of(header, **cells)
    assert isinstance(found, Refused)
    assert "says the file" in found.reason or "was not confirmed there" in found.reason
    assert (found.line, found.address) == (7, ADA)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"email": ""}, "the address is empty"),
        ({"email": "nobody"}, "is not a mail address"),
        ({"email": "a@b.example, c@d.example"}, "is not a mail address"),
        ({"email": "a@b.example\r\nBcc: x@y.example"}, "is not a mail address"),
        ({"email": "ada@x\x00y.example"}, "is not a mail address"),
        ({"email": "ada@pаypal.example"}, "written to be taken for another"),
        ({"zone": "Nowhere/City"}, "'Nowhere/City' is not a time zone"),
        ({"zone": "../../etc/passwd"}, "is not a time zone"),
        ({"categories": "sport, moon"}, "there is no category 'moon'"),
        ({"cadence": "hourly"}, "'hourly' is not a cadence"),
        ({"cadence": "immediate"}, "daily comes daily or weekly, not immediate"),
        ({"at": "25:00"}, "25:00"),
        ({"weekday": "xyz"}, "'xyz' is not a weekday"),
        ({"language": "English!"}, "'English!' is not a language"),
        ({"status": "vip"}, "nothing is known of the status 'vip'"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_reason(
    cells: dict[str, str], reason: str
) -> None:
    header = "email,zone,categories,cadence,at,weekday,language,status"
    found = row_of(header, **{"email": ADA, **cells})
    assert isinstance(found, Refused)
    assert reason in found.reason
    assert "\n" not in found.reason + found.address


def test_all_wishes() -> None:
    found = wanted(
        "email,zone,categories,cadence,at,weekday,language",
        email=ADA,
        zone="Asia/Tokyo",
        categories="Sport;sport|*",
        cadence="Weekly",
        at="6:30",
        weekday="FRI",
        language="pt_BR",
    )
    assert found.locale == "pt-BR"
    assert found.wishes == Wishes(
        categories=("sport", "*"),
        cadence=Cadence.WEEKLY,
        at=time(6, 30),
        weekday=4,
        zone="Asia/Tokyo",
    )


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_row_of_too_few_or_too_many_cells_is_refused(count: int) -> None:
    columns = columns_of(["email", "name", "zone"], {})
    cells = [ADA, "Ada", "", "surplus"][:count]
    found = read_row(columns, 2, cells, DAILY, ())
    assert isinstance(found, Refused)
    assert found.reason == f"has {count} cells where the header has 3"
    assert isinstance(read_row(columns, 2, [ADA, "Ada", "", "", ""], DAILY, ()), Wanted)


def test_the_operator_says_what_columns_are() -> None:
    chosen = {"Kontakt": "address", "Rufname": "name", "Status": ""}
    found = row_of("Kontakt,Rufname,email,Status", chosen, Kontakt=ADA, Rufname="Ada", Status="?")
    assert isinstance(found, Wanted)
    assert (found.key, found.name) == (ADA, "Ada")
    assert columns_of(["Kontakt", "Rufname", "email", "Status"], chosen).ignored == ("email",)


@pytest.mark.parametrize(
    ("header", "chosen", "said"),
    [
        ("Kunde,Ort", {}, "no column is known to hold mail addresses (there is: Kunde, Ort)"),
        (ADA, {}, "the first line must name the columns"),
        ("email", {"Mail": "address"}, "there is no column 'Mail' (there is: email)"),
        ("email", {"email": "adress"}, "did you mean address?"),
    ],
)
def test_a_header_that_says_too_little(header: str, chosen: dict[str, str], said: str) -> None:
    with pytest.raises(PermanentError) as caught:
        columns_of(header.split(","), chosen)
    assert said in str(caught.value)


def test_a_state_of_a_country_is_no_status() -> None:
    assert wanted("email,state", email=ADA, state="CA").key == ADA


def test_only_who_left_is_told_by_left_by() -> None:
    columns = columns_of(["email", "status"], {})
    assert left_by(columns, ["ADA@Reader.example", "unsubscribed"], DAILY) == ADA
    assert left_by(columns, [ADA, "active"], DAILY) is None
    assert left_by(columns, ["nobody", "unsubscribed"], DAILY) is None


def test_names_are_one_line_and_not_endless() -> None:
    found = wanted("email,name", email=ADA, name="A\r\nBcc: x@y.example" + "x" * 5_000)
    assert "\n" not in found.name
    assert "\r" not in found.name
    assert len(found.name) <= 200


@pytest.mark.parametrize(
    ("domain", "is_one"),
    [
        ("reader.example", False),
        ("bücher.example", False),
        ("пример.рф", False),
        ("例え.jp", False),
        ("한국.kr", False),
        ("аррӏе.com", True),
        ("pаypal.com", True),
        ("gοοgle.example", True),
    ],
)
def test_homographs(domain: str, is_one: bool) -> None:
    ascii_domain = ".".join(
        each if each.isascii() else "xn--" + each.encode("punycode").decode()
        for each in domain.split(".")
    )
    assert is_homograph(ascii_domain) is is_one


# our own export

CELLS = st.text(st.sampled_from("=+-@＝＋－＠'\t\r\n;, \"ax"), max_size=12) | st.text(max_size=12)


@given(CELLS)
def test_no_cell_is_a_formula_and_all_come_back(cell: str) -> None:
    safe = harmless(cell)
    for part in safe.replace("\t", ";").replace("\r", ";").replace("\n", ";").split(";"):
        assert not part.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    assert as_written(safe) == cell


NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cf", "Zs", "Zl", "Zp", "Co", "Cn", "Mn"]),
    min_size=1,
    max_size=30,
)
LOCALS = st.text(st.sampled_from("abz019!#$%&'*+/=?^_`{|}~-"), min_size=1, max_size=20)


@given(
    LOCALS,
    NAMES,
    st.sampled_from(["", "daily", "weekly"]),
    st.sampled_from(["", "07:30"]),
    st.sampled_from(["", "mon", "sun"]),
    st.sampled_from(["", "sport", "=x,+y", "moon"]),
)
def test_an_exported_row_asks_for_what_it_was(
    local: str, name: str, cadence: str, at: str, weekday: str, categories: str
) -> None:
    address = f"{local}@reader.example"
    cells = (address, name, "daily", "confirmed", categories, cadence, at, weekday)
    cells = (*cells, "Europe/Berlin", "de", "2026-11-02T09:00:00+00:00", '{"how": "=1"}')
    file = io.StringIO()
    csv.writer(file).writerows([EXPORTED, map(harmless, cells)])
    header, row = csv.reader(io.StringIO(file.getvalue()))
    found = read_row(columns_of(header, {}), 2, row, DAILY, set())
    assert isinstance(found, Wanted), found
    assert (found.address, found.locale, found.wishes.zone) == (address, "de", "Europe/Berlin")
    assert found.wishes.cadence == (cadence or None)
    assert ",".join(found.wishes.categories or ()) == categories
    assert (found.subscribed_at, found.consent) == (cells[10], cells[11])


def test_a_row_of_another_newsletter_is_refused_and_means_nothing_here() -> None:
    columns = columns_of(EXPORTED, {})
    cells = [ADA, "", "alerts", "unsubscribed", *[""] * 8]
    found = read_row(columns, 2, cells, DAILY, ())
    assert isinstance(found, Refused)
    assert found.reason == "is of the newsletter 'alerts'"
    assert left_by(columns, cells, DAILY) is None
    assert left_by(columns, [ADA, "", "daily", "unsubscribed", *[""] * 8], DAILY) == ADA


# files


def rows_of(path: Path) -> list[tuple[int, Sequence[str], str]]:
    return [(row.line, row.cells, row.fault) for row, _ in CsvFile(path).rows()]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_usual_file_is_read(tmp_path: Path, delimiter: str, encoding: str, end: str) -> None:
    path = tmp_path / "list.csv"
    lines = (["email", "name"], [ADA, '"Zoë, A;\tB"'], [""], ["bo@reader.example", "Bø"])
    path.write_bytes("".join(delimiter.join(each) + end for each in lines).encode(encoding))
    file = CsvFile(path)
    assert file.header == ["email", "name"]
    assert file.encoding == encoding
    assert [row.cells for row, _ in file.rows()] == [
        [ADA, "Zoë, A;\tB"],
        ["bo@reader.example", "Bø"],
    ]


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('email,name\na,"x\ny"\n\nb,z\n')
    assert rows_of(path) == [(2, ["a", "x\ny"], ""), (5, ["b", "z"], "")]


def test_a_row_that_cannot_be_read_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    head, tail = "email,name\na,1\n", "".join(f"c{n},3\n" for n in range(30_000))
    for bad in ('b,"never closed\n', f"b,{'x' * 10_000_000}\n", f'b,"{"x" * 10_000_000}"\n'):
        path.write_text(head + bad + tail)
        found = rows_of(path)
        assert found[0] == (2, ["a", "1"], "")
        assert (found[1][0], found[1][1][0]) == (3, "b")
        assert found[1][2]
        assert [each[:2] for each in found[2:4]] == [(4, ["c0", "3"]), (5, ["c1", "3"])]
        assert len(found) == 30_002
    path.write_text(head + 'b,"never closed\nc,3')
    assert [(line, bool(fault)) for line, _, fault in rows_of(path)] == [
        (2, False),
        (3, True),
        (4, False),
    ]


@given(st.lists(st.lists(st.text(max_size=8), min_size=2, max_size=2), max_size=8))
def test_what_a_writer_wrote_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    written = [[cell.encode(errors="replace").decode() for cell in row] for row in rows]
    path = tmp_path_factory.mktemp("csv") / "list.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["email", "name"], *written])
    assert [row.cells for row, _ in CsvFile(path).rows()] == [
        row for row in written if any(map(str.strip, row))
    ]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="is no file"):
        CsvFile(tmp_path)
    (tmp_path / "empty.csv").write_text("\n\n")
    with pytest.raises(UnreadableError, match="is empty"):
        CsvFile(tmp_path / "empty.csv")


def test_first_seen() -> None:
    with FirstSeen() as seen:
        assert seen.line_of(ADA) is None
        seen.note(ADA, 2)
        seen.note(ADA, 9)
        assert (seen.line_of(ADA), seen.line_of("bo")) == (2, None)
