"""`subscribers import` and `export`, as an operator moves house with them."""

import csv
import io
import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.flow.site import Site, until

ADA = "ada@reader.example"
TO_DAILY = ("--newsletter", "daily")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def listed(site: Site, text: str, name: str = "list.csv") -> str:
    path = site.folder / name
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def exported(site: Site) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(site.call("subscribers", "export"))))


def report_of(site: Site, name: str = "refused.csv") -> list[tuple[str, str, str]]:
    with (site.folder / name).open(encoding="utf-8", newline="") as file:
        return [(row["line"], row["address"], row["reason"]) for row in csv.DictReader(file)]


def test_a_list_is_tried_brought_in_and_there(site: Site) -> None:
    path = listed(
        site,
        "Email Address,First Name,Last Name,MEMBER_RATING,CONFIRM_TIME\n"
        f"{ADA},Ada,L.,2,2019-03-02 11:22:33\n"
        "nobody,No,Body,2,\n"
        f"ADA@reader.example,Ada,again,2,\n",
    )
    command = ("subscribers", "import", path, *TO_DAILY)
    tried = site.run(*command, "--dry-run")
    assert tried == "would be: 1 new, 0 there already, 2 refused\n"
    assert exported(site) == []
    report = str(site.folder / "refused.csv")
    assert site.run(*command, "--report", report) == "1 new, 0 there already, 2 refused\n"
    assert report_of(site) == [
        (
            "3",
            "nobody",
            "'nobody' is not a mail address: An email address must have an @-sign.",
        ),
        ("4", "ADA@reader.example", "stands on line 2 already"),
    ]
    [ada] = exported(site)
    assert (ada["address"], ada["name"], ada["state"], ada["since"]) == (
        ADA,
        "Ada L.",
        "confirmed",
        "2019-03-02T11:22:33+00:00",
    )
    assert json.loads(ada["consent"])["how"] == "imported by an operator"
    assert site.run(*command) == "0 new, 1 there already, 2 refused\n"


def test_without_a_report_the_first_refusals_are_shown(site: Site) -> None:
    rows = "".join(f"nobody{n}\n" for n in range(25))
    command = (*site.command("subscribers", "import", listed(site, f"email\n{rows}")), *TO_DAILY)
    done = subprocess.run(
        command, cwd=site.folder, env=site.environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0 new, 0 there already, 25 refused\n"
    lines = done.stderr.splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("publisher: line 2: nobody0: 'nobody0' is not a mail address")
    assert lines[-1] == "publisher: … and 5 more; --report FILE keeps them all"


def test_programs_are_told_in_json(site: Site) -> None:
    path = listed(site, f"Kontakt;Ort\n{ADA};Ulm\nnobody;Ulm\n")
    told = site.json("subscribers", "import", path, *TO_DAILY, "--map", "Kontakt=address")
    [refused] = told.pop("first_refused")
    assert (refused["line"], refused["address"]) == (3, "nobody")
    assert told == {
        "encoding": "utf-8",
        "ignored": ["Ort"],
        "new": 1,
        "there_already": 0,
        "refused": 1,
        "dry_run": False,
    }


@pytest.mark.parametrize(
    ("text", "options", "said", "status"),
    [
        ("Kunde,Ort\nx,y\n", (), "no column is known to hold mail addresses (there is: Ku", 1),
        ("", (), "is empty", 1),
        (f"email\n{ADA}\n", ("--map", "Mail=address"), "there is no column 'Mail'", 1),
        (f"email\n{ADA}\n", ("--map", "Mail"), "'Mail' is not like HEADER=FIELD", 2),
        (f"email\n{ADA}\n", ("--report", "list.csv"), "the report would replace the list", 1),
        (f"email\n{ADA}\n", ("--report", "no/where.csv"), "no/where.csv cannot be written", 1),
    ],
)
def test_what_cannot_be_is_one_sentence(
    site: Site, text: str, options: tuple[str, ...], said: str, status: int
) -> None:
    path = listed(site, text)
    answer = site.run("subscribers", "import", path, *TO_DAILY, *options, status=status)
    [line] = answer.splitlines()
    assert said in line
    assert (site.folder / "list.csv").read_text() == text


def test_no_file_and_no_newsletter(site: Site) -> None:
    said = site.run("subscribers", "import", "nowhere.csv", *TO_DAILY, status=1)
    assert said == "publisher: nowhere.csv is no file\n"
    path = listed(site, f"email\n{ADA}\n")
    said = site.run("subscribers", "import", path, "--newsletter", "weekly", status=1)
    assert "there is no newsletter 'weekly'" in said


def test_who_left_is_never_brought_back(site: Site) -> None:
    site.add_reader(ADA)
    site.call("subscribers", "unsubscribe", ADA, *TO_DAILY)
    text = "email,status\n{},active\nbo@reader.example,active\nbo@reader.example,unsubscribed\n"
    report = str(site.folder / "refused.csv")
    path = listed(site, text.format(ADA))
    said = site.call("subscribers", "import", path, *TO_DAILY, "--report", report)
    assert said == "0 new, 0 there already, 3 refused\n"
    assert sorted(report_of(site)) == [
        ("2", ADA, "has left this newsletter; only they can come back"),
        ("3", "bo@reader.example", "line 4 says that they have left, or may not be mailed"),
        ("4", "bo@reader.example", "has left, or may not be mailed, says the file (unsubscribed)"),
    ]
    assert [each["state"] for each in exported(site)] == ["unsubscribed"]


def test_hostile_cells(site: Site) -> None:
    """None becomes a header of a mail, a formula in a spreadsheet, or the end of the others."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["email", "name"])
    names = [
        '=HYPERLINK("http://evil.example","x")',
        "＝1+1",
        "A\r\nBcc: victim@reader.example",
        "<script>alert(1)</script>",
        "x;=cmd|' /C calc'!A0",
        "\x1b[2J\x00\u202eevil",
    ]
    writer.writerows([f"r{n}@reader.example", name] for n, name in enumerate(names))
    writer.writerow(["long@reader.example", "x" * 10_000_000])
    writer.writerow(["a@reader.example\r\nBcc: victim@reader.example", "x"])
    writer.writerow(["=evil()", "x"])
    writer.writerow(["+fine@reader.example", "x"])
    report = str(site.folder / "refused.csv")
    path = listed(site, out.getvalue())
    said = site.run("subscribers", "import", path, *TO_DAILY, "--report", report)
    assert said == "7 new, 0 there already, 3 refused\n"
    assert [each[1] for each in report_of(site)] == [
        "long@reader.example",
        "a@reader.example Bcc: victim@reader.example",
        "'=evil()",
    ]
    found = exported(site)
    assert len(found) == 7
    for cell in (cell for row in found for cell in row.values()):
        assert not cell.startswith(tuple("=+-@\t\r\n＝＋－＠"))
        assert ";=" not in cell
        assert "\n" not in cell
        assert "\x1b" not in cell
    assert found[2]["name"] == "A Bcc: victim@reader.example"


def test_an_export_is_brought_in_elsewhere_and_exported_again(site: Site, tmp_path: Path) -> None:
    site.add_reader(ADA, name="=Ada", categories="sport,world", cadence="weekly", weekday="fri")
    site.add_reader("=bo@reader.example", at="06:30", zone="Asia/Tokyo", locale="de")
    site.add_reader("cy@reader.example", name="'Cy")
    site.call(
        "subscribers", "import", listed(site, "email,since\ndee@reader.example,x\n"), *TO_DAILY
    )
    before = site.call("subscribers", "export")
    other = Site(tmp_path / "other")
    path = listed(other, before)
    assert other.run("subscribers", "import", path, *TO_DAILY).startswith("4 new, 0 there already")
    assert other.call("subscribers", "export") == before
    dee = other.json("subscribers", "show", "dee@reader.example")
    assert dee["subscriptions"][0]["consent"]["how"] == "imported by an operator"


def readers_in(site: Site) -> int:
    database = site.folder / "var" / "publisher.db"
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database, timeout=10)) as conn:
        try:
            return int(conn.execute("SELECT count(*) FROM subscription").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def test_a_killed_import_goes_on_where_it_was(site: Site) -> None:
    count = 12_000
    rows = "".join(f"r{n}@reader.example,Reader {n}\n" for n in range(count))
    command = ("subscribers", "import", listed(site, f"email,name\n{rows}"), *TO_DAILY)
    process = subprocess.Popen(site.command(*command), cwd=site.folder, env=site.environment)
    try:
        until(lambda: readers_in(site) > 500, "some readers")
    finally:
        process.kill()
        process.wait(10)
    there = readers_in(site)
    assert 500 < there < count
    told = site.json(*command)
    assert (told["new"], told["there_already"], told["refused"]) == (count - there, there, 0)
    assert readers_in(site) == count


def test_the_daemon_goes_on_meanwhile(site: Site) -> None:
    rows = "".join(f"r{n}@reader.example\n" for n in range(60_000))
    command = ("subscribers", "import", listed(site, f"email\n{rows}"), *TO_DAILY)
    with site.daemon():
        process = subprocess.Popen(site.command(*command), cwd=site.folder, env=site.environment)
        try:
            until(lambda: readers_in(site) > 100, "some readers")
            site.write("ferry.md", "The ferry is back")
            until(lambda: site.feed().get("The ferry is back"), "the article in the feed")
            assert process.poll() is None, "the import was over before the article came out"
        finally:
            process.kill()
            process.wait(10)
    assert "locked" not in site.log()
