"""What an operator gets wrong: one clear sentence, the right exit status, nothing half-written."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from publisher.cli import cli, main
from tests.flow.site import Site


@dataclass(frozen=True)
class Wrong:
    """A mistake, the command that meets it, and what must be named."""

    name: str
    command: str
    names: tuple[str, ...]
    status: int = 1
    make: Callable[[Path], object] = lambda _: None
    environ: tuple[tuple[str, str], ...] = ()


def configuration(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "config" / "publisher.toml").write_text(text)


def added(text: str) -> Callable[[Path], object]:
    """The good configuration and more."""

    def make(folder: Path) -> None:
        with (folder / "config" / "publisher.toml").open("a") as file:
            file.write(f"\n{text}\n")

    return make


def replaced(old: str, new: str) -> Callable[[Path], object]:
    """The good configuration with something else in a place."""

    def make(folder: Path) -> None:
        file = folder / "config" / "publisher.toml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return make


def a_file(
    name: str, data: bytes = b"In the way.\n", mode: int = 0o600
) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        (folder / name).chmod(mode)

    return make


def a_folder(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).mkdir(parents=True)


def database(*statements: str) -> Callable[[Path], object]:
    """Our database, and then something done to it; with `NEW` first, a stranger's."""

    def make(folder: Path) -> None:
        path = folder / "var" / "publisher.db"
        path.parent.mkdir()
        if statements[0] != "NEW":
            assert main(["--config", str(folder / "config" / "publisher.toml"), "status"]) == 0
        with closing(sqlite3.connect(path)) as conn:
            for each in statements:
                if each != "NEW":
                    conn.execute(each)
            conn.commit()
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return make


def damaged(folder: Path) -> None:
    database("PRAGMA optimize")(folder)
    path = folder / "var" / "publisher.db"
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))


def missing_config(folder: Path) -> None:
    (folder / "config" / "publisher.toml").unlink()


TOML = "config/publisher.toml"
DB = "var/publisher.db"
MORTAL = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")  # root without its rights
ADD = "subscribers add ada@reader.example --newsletter daily"

CONFIGURATION = [
    Wrong(
        "unknown key", "status", (TOML, "feeds.entrys", "entries"), make=added("[feeds]\nentrys=5")
    ),
    Wrong("unknown table", "status", (TOML, "feed", "feeds"), make=added("[feed]\nentries=5")),
    Wrong("wrong type", "status", (TOML, "feeds.entries"), make=added('[feeds]\nentries="few"')),
    Wrong(
        "wrong zone",
        "status",
        (TOML, "site.zone", "Berlin"),
        make=replaced('zone = "Europe/Berlin"\ncontact', 'zone = "Europa/Berlin"\ncontact'),
    ),
    Wrong("broken TOML", "status", (TOML, "line 2"), make=configuration("[site]\ntitle = News\n")),
    Wrong("not UTF-8", "status", (TOML, "line 2"), make=a_file(TOML, b'[site]\ntitle = "\xe9"\n')),
    Wrong(
        "no title",
        "status",
        (TOML, "site.title is missing"),
        make=replaced('title = "Example News"', ""),
    ),
    Wrong("no file", "status", (TOML, "publisher init"), make=missing_config),
    Wrong("no such named file", "--config there.toml status", ("there.toml",)),
    Wrong("no such named file, named last", "status --config there.toml", ("there.toml",)),
    Wrong(
        "no such named file, in the environment",
        "status",
        ("there.toml",),
        environ=(("PUBLISHER_CONFIG", "there.toml"),),
    ),
    Wrong("a folder named as file", "--config config status", ("config", "Is a directory")),
    Wrong(
        "misspelt variable",
        "status",
        ("PUBLISHER_WEB__PROT", "PUBLISHER_WEB__PORT"),
        environ=(("PUBLISHER_WEB__PROT", "80"),),
    ),
    Wrong(
        "wrong variable",
        "status",
        ("PUBLISHER_WEB__PORT", "web.port", "http"),
        environ=(("PUBLISHER_WEB__PORT", "http"),),
    ),
    Wrong(
        "two newsletters of a name",
        "status",
        (TOML, "newsletters", "daily"),
        make=added('[[newsletters]]\nslug="daily"\ntitle="D"'),
    ),
    Wrong(
        "feeds among the articles",
        "status",
        (TOML, "sources[0].path", "feeds.directory"),
        make=added('[feeds]\ndirectory="articles/feeds"'),
    ),
    Wrong(
        "database of another kind",
        "status",
        (TOML, "database.url"),
        make=added('[database]\nurl="mysql://localhost/news"'),
    ),
    Wrong(
        "no such host",
        "run",
        ("web.host", "nowhere.invalid"),
        make=replaced("[web]", '[web]\nhost="nowhere.invalid"'),
    ),
]

FILES = [
    Wrong("var is a file", "status", ("database.url", "var"), make=a_file("var")),
    Wrong("feeds is a file", "publish", ("feeds",), make=a_file("feeds")),
    Wrong(
        "a file where a feed's folder must be", "publish", ("feeds/all",), make=a_file("feeds/all")
    ),
    Wrong(
        "the signing key is a folder", "run", ("var/secret.key",), make=a_folder("var/secret.key")
    ),
    Wrong(
        "the signing key is broken",
        "run",
        ("var/secret.key", "line 1"),
        make=a_file("var/secret.key"),
    ),
    Wrong(
        "the signing key is for all to read",
        "run",
        ("var/secret.key", "chmod 600"),
        make=a_file("var/secret.key", mode=0o644),
    ),
    Wrong(
        "the lock is a folder", "run", ("var/publisher.lock",), make=a_folder("var/publisher.lock")
    ),
    Wrong(
        "a broken template",
        "publish",
        ("category.html", "line 1"),
        make=a_file("templates/web/category.html", b"{% if %}"),
    ),
    Wrong(
        "newer database",
        "status",
        (DB, "newer than this program", "9999"),
        make=database("UPDATE alembic_version SET version_num = '9999'"),
    ),
    Wrong(
        "newer database, upgraded",
        "db upgrade",
        (DB, "newer than this program", "9999"),
        make=database("UPDATE alembic_version SET version_num = '9999'"),
    ),
    Wrong(
        "another program's database",
        "run",
        ("database.url", DB),
        make=database("NEW", "CREATE TABLE recipe (name TEXT)"),
    ),
    Wrong(
        "another program's database, upgraded",
        "db upgrade",
        ("database.url", DB),
        make=database("NEW", "CREATE TABLE recipe (name TEXT)"),
    ),
    Wrong(
        "no database",
        "status",
        ("database.url", DB, "not a database"),
        make=a_file(DB, b"Dear diary, it rains. " * 99),
    ),
    Wrong("damaged database", "publish", ("database.url", DB, "malformed"), make=damaged),
    Wrong("the database is a folder", "status", ("database.url", DB), make=a_folder(DB)),
]

ARGUMENTS = [
    Wrong("no such command", "pubish", ("pubish",), 2),
    Wrong("no such option", "status --jsn", ("--jsn", "--json"), 2),
    Wrong("option without value", "status --config", ("--config",), 2),
    Wrong("argument missing", "ingest", ("PATH",), 2),
    Wrong("too many", "newsletters send daily weekly", ("weekly",), 2),
    Wrong("no address", "subscribers add ada --newsletter daily", ("'ada'",)),
    Wrong("no domain", "subscribers add ada@ --newsletter daily", ("'ada@'",)),
    Wrong("no newsletter", "subscribers add ada@reader.example", ("--newsletter",), 2),
    Wrong(
        "unknown newsletter",
        "subscribers add ada@reader.example --newsletter dayly",
        ("dayly", "daily"),
    ),
    Wrong("unknown newsletter to send", "newsletters send dayly --now", ("dayly", "daily")),
    Wrong("no such cadence", f"{ADD} --cadence hourly", ("--cadence", "hourly", "weekly"), 2),
    Wrong("no number of days", f"{ADD} --since yesterday", ("--since", "yesterday", "14d"), 2),
    Wrong("no time", f"{ADD} --at 7am", ("--at", "7am", "07:00"), 2),
    Wrong("no weekday", f"{ADD} --weekday someday", ("--weekday", "someday", "mon"), 2),
    Wrong("no zone", f"{ADD} --zone Berlin", ("--zone", "Berlin", "Europe/Berlin"), 2),
    Wrong("no kind", "ingest articles --kind rss", ("--kind", "rss", "archive-page"), 2),
    Wrong("no number", "articles list --limit some", ("--limit",), 2),
    Wrong("no such article", "articles show tag:nobody", ("tag:nobody",)),
    Wrong("no such article to withdraw", "articles withdraw tag:nobody", ("tag:nobody",)),
    Wrong("no such reader", "subscribers show ada@reader.example", ("ada@reader.example",)),
    Wrong(
        "no such subscription",
        "subscribers unsubscribe ada@reader.example --newsletter daily",
        ("ada@reader.example", "daily"),
    ),
    Wrong("path missing", "ingest nowhere/one.md", ("nowhere/one.md", "No such file")),
    Wrong("folder missing", "ingest nowhere", ("nowhere", "No such file")),
    Wrong("page missing", "ingest nowhere.txt", ("nowhere.txt", "No such file")),
    Wrong(
        "neither text nor page",
        "ingest photo.jpg",
        ("photo.jpg", ".md"),
        make=a_file("photo.jpg", b"\xff\xd8\xff\xe0"),
    ),
    Wrong("nothing to preview", "newsletters preview daily", ("daily",)),
    Wrong("no relay", "newsletters test daily ada@reader.example", ("mail.relays",)),
    Wrong("init where a configuration is", "init", (TOML, "nothing was changed")),
    Wrong("init into a file", "init articles/x/y", ("articles/x",), make=a_file("articles/x")),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new site, which is the current folder; no setting comes from elsewhere."""
    Site(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("PUBLISHER_"):
            monkeypatch.delenv(name)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file but the locks, which are empty, and SQLite's, which come and go."""
    passing = ("-wal", "-shm", ".lock")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(passing)
    }


@pytest.mark.parametrize("wrong", CONFIGURATION + FILES + ARGUMENTS, ids=lambda each: each.name)
def test_a_mistake_is_told_in_one_sentence_and_changes_nothing(
    wrong: Wrong,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    wrong.make(folder)
    for name, value in wrong.environ:
        monkeypatch.setenv(name, value)
    before = contents(folder)
    capfd.readouterr()
    assert main(wrong.command.split()) == wrong.status
    said = capfd.readouterr().err
    assert said.startswith("publisher: ")
    assert said.count("\n") == 1, said
    for each in wrong.names:
        assert each in said
    after = contents(folder)
    assert {name: after.get(name) for name in before} == before, "nothing that was there changed"
    made = {name for name in after.keys() - before.keys() if not name.startswith("feeds/")}
    keys = {"var/secret.key", "var/suppression.key"}
    assert made <= ({"var/publisher.db", *keys} if wrong.status == 1 else set())
    assert not any(".tmp" in name for name in after)


@pytest.mark.parametrize(
    ("command", "closed", "mode", "said"),
    [
        ("status", TOML, 0o000, "config/publisher.toml: cannot be read: Permission denied"),
        ("status", ".", 0o555, "database.url: the folder {}/var cannot be made: Permission denied"),
        ("publish", "feeds", 0o555, "{}/feeds/.built.lock cannot be made: Permission denied"),
        ("ingest articles", "articles", 0o000, "{}/articles: it cannot be read: Permission denied"),
    ],
)
def test_what_may_not_be_read_or_written_is_named(
    command: str, closed: str, mode: int, said: str, folder: Path
) -> None:
    (folder / "feeds").mkdir()
    site = Site(folder, prefix=MORTAL if os.geteuid() == 0 else ())
    (folder / closed).chmod(mode)
    try:
        answer = site.run(*command.split(), status=1)
    finally:
        (folder / closed).chmod(0o755)
    assert f"publisher: {said.format(folder)}\n" in answer


def test_what_can_be_taken_in_is_taken_though_a_path_is_missing(folder: Path) -> None:
    site = Site(folder)
    site.write("one.md", "One")
    said = site.run("ingest", "nowhere.md", "articles", "nowhere.txt", status=1)
    assert said.splitlines()[0].startswith("1 new")
    assert [line.split(":")[1].strip() for line in said.splitlines()[1:]] == [
        str(folder / "nowhere.md"),
        str(folder / "nowhere.txt"),
    ]


def test_a_picture_named_like_an_article_is_quarantined(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "articles" / "photo.md").write_bytes(b"\xff\xd8\xff\xe0\0\0JFIF")
    for path in ("articles", "articles/photo.md"):
        assert main(["ingest", path]) == 0
        said = capfd.readouterr()
        assert "1 quarantined" in said.out
        assert said.err == "publisher: quarantined: articles/photo.md: it is not a text file\n"


def test_an_empty_folder_gives_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "articles"]) == 0
    assert capfd.readouterr().out.startswith("0 new")


def test_a_preview_into_a_missing_folder_names_it(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Site(folder).write("one.md", "One")
    assert main(["ingest", "articles"]) == 0
    assert main(["publish"]) == 0
    capfd.readouterr()
    assert main(["newsletters", "preview", "daily", "--out", "nowhere"]) == 1
    said = capfd.readouterr().err
    assert said == "publisher: nowhere/daily.eml cannot be written: No such file or directory\n"
    assert not (folder / "nowhere").exists()


def test_check_tells_all_that_is_wrong(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "feeds").write_text("In the way.")
    (folder / "articles").rmdir()
    assert main(["check"]) == 1
    said = capfd.readouterr().err.splitlines()
    assert [each.split(": ")[1] for each in said] == ["feeds", "source articles", "relays"]
    assert f"{folder}/feeds" in said[0]
    assert f"{folder}/articles" in said[1]


def test_a_command_whose_output_nobody_reads_to_the_end_is_content(folder: Path) -> None:
    site = Site(folder)
    with subprocess.Popen(
        site.command("status", "--json"),
        env=site.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command and group of commands."""
    yield ()
    top = typer.main.get_command(cli)
    for name, each in top.commands.items():  # type: ignore[attr-defined]  # a group
        yield (name,)
        yield from ((name, inner) for inner in getattr(each, "commands", ()))


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_explains_itself(
    words: tuple[str, ...], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = contents(folder)
    for option in ("--help", "-h"):
        assert main([*words, option]) == 0
        said = capfd.readouterr()
        assert "Usage: " in said.out
        assert said.err == ""
    assert contents(folder) == before


@pytest.mark.parametrize(
    "line",
    [
        "--config {} articles list --json",
        "articles --config {} list --json",
        "articles list --config {} --json",
        "articles list --json --config {}",
        "articles list --json --config={}",
    ],
)
def test_the_configuration_may_be_named_anywhere_on_the_line(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Site(tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    assert main(line.format("here/config/publisher.toml").split()) == 0
    assert capfd.readouterr().out == "[]\n"
    assert (tmp_path / "here" / "var" / "publisher.db").exists()
    assert not (tmp_path / "var").exists()
