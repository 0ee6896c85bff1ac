"""The key files: made once whatever happens, read strictly, shown to nobody."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from publisher.errors import ConfigurationError
from publisher.kit import secret

OLD = "2025 " + "0a" * 32
NEW = "2026 " + "0B" * 32


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "secret.key"


def write(file: Path, text: str | bytes, mode: int = 0o600) -> Path:
    file.parent.mkdir()
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return file


def test_the_first_use_makes_a_key_for_us_alone(file: Path) -> None:
    before = os.umask(0)
    try:
        keys = secret.load(file, None)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(keys.current[1]) == 32
    assert dict(keys.all) == {keys.current[0]: keys.current[1]}
    assert secret.load(file, None) == keys
    assert [path.name for path in file.parent.iterdir()] == ["secret.key"]


def test_two_files_hold_different_keys(tmp_path: Path) -> None:
    assert secret.load(tmp_path / "a", None).current != secret.load(tmp_path / "b", None).current


def test_threads_at_once_end_with_one_key(file: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: secret.load(file, None).current, range(64)))
    assert len(set(found)) == 1


def test_processes_at_once_end_with_one_key(file: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from publisher.kit import secret; "
        "sys.stdin.readline(); print(secret.load(Path(sys.argv[1]), None).current[1].hex())"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            text=True,
        )
        for _ in range(6)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = {process.communicate(timeout=30)[0] for process in started}
    assert found == {secret.load(file, None).current[1].hex() + "\n"}
    assert [path.name for path in file.parent.iterdir()] == ["secret.key"]


def test_the_last_line_signs_and_the_others_verify(file: Path) -> None:
    write(file, f"# rotated in January\n\n{OLD}\r\n  {NEW}  \n")
    keys = secret.load(file, None)
    assert keys.current == ("2026", b"\x0b" * 32)
    assert dict(keys.all) == {"2025": b"\x0a" * 32, "2026": b"\x0b" * 32}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{OLD}\n2026 xyz\n", "line 2: not a key"),
        (f"{OLD}\n2026 {'0b' * 15}\n", "line 2: not a key"),
        (f"{OLD}\n2026 {'0b' * 20}0\n", "line 2: not a key"),
        ("0b" * 32, "line 1: not a key"),
        (f"{OLD}\n{OLD}\n", "line 2: this id stands on an earlier line"),
        (b"\xff\xfe\x00" * 30, "line 1: not a key"),
        ("", "holds no key"),
        ("# only a remark\n", "holds no key"),
    ],
)
def test_a_damaged_file_is_named_and_left_alone(file: Path, text: str | bytes, said: str) -> None:
    write(file, text)
    before = file.read_bytes()
    with pytest.raises(ConfigurationError) as caught:
        secret.load(file, None)
    assert str(file) in str(caught.value)
    assert said in str(caught.value)
    assert "0b0b" not in str(caught.value)
    assert file.read_bytes() == before


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_file_open_to_everybody_is_refused(file: Path, mode: int) -> None:
    write(file, OLD, mode)
    with pytest.raises(ConfigurationError, match=f"chmod 600 {file}"):
        secret.load(file, None)


def test_a_file_shared_with_a_group_is_taken(file: Path) -> None:
    write(file, OLD, 0o640)
    assert secret.load(file, None).current[0] == "2025"


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("in the way")
    with pytest.raises(ConfigurationError, match=r"secret\.key cannot be used: "):
        secret.load(tmp_path / "var" / "secret.key", None)


def test_the_environment_replaces_the_file(file: Path) -> None:
    keys = secret.load(file, "a secret of many words")
    assert not file.exists()
    assert keys == secret.load(file, "a secret of many words\n")
    assert dict(keys.all) == {keys.current[0]: keys.current[1]}
    other = secret.load(file, "another secret of many words")
    assert other.current[0] != keys.current[0]
    assert other.current[1] != keys.current[1]


@pytest.mark.parametrize("value", ["", "hunter2", " hunter2          "])
def test_a_short_secret_is_refused_and_not_repeated(file: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match="PUBLISHER_SECRET has fewer than 16") as caught:
        secret.load(file, value)
    assert "hunter2" not in str(caught.value)


def test_keys_are_not_shown(file: Path) -> None:
    keys = secret.load(write(file, NEW), None)
    assert "2026" not in repr(keys)
    assert "x0b" not in repr(keys)


def test_the_suppression_key_stays(tmp_path: Path) -> None:
    file = tmp_path / "suppression.key"
    key = secret.load_suppression_key(file)
    assert len(key) == 32
    assert secret.load_suppression_key(file) == key
    assert file.stat().st_mode & 0o777 == 0o600
    with file.open("a") as lines:
        lines.write(f"{NEW}\n")
    with pytest.raises(ConfigurationError, match="holds 2 keys; it takes one"):
        secret.load_suppression_key(file)
