"""nginx and Caddy in front of a daemon, with the configurations that we hand out."""

import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.flow.site import ROOT, free_port, until
from tests.programs import needs

# What Debian's nginx.conf has around a server's own file.
_AROUND_NGINX = """\
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
{user}
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    gzip on;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/publisher.conf;
}}
"""


@contextmanager
def nginx(
    folder: Path,
    root: Path,
    daemon_port: int,
    *,
    site: str = "https://news.example",
    hubs: Sequence[str] = (),
    media_from: Sequence[str] = (),
) -> Iterator[int]:
    """The port of an nginx that serves `root`/feeds; its own files are in `folder`."""
    program, port = needs("nginx"), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    text = _set(
        (ROOT / "config" / "nginx.conf").read_text(),
        {
            "127.0.0.1:8080": f"127.0.0.1:{daemon_port}",
            "listen 80;": f"listen 127.0.0.1:{port};",
            "listen [::]:80;": "",
            "/srv/news": str(root),
            "# rewrite ^/news(": "rewrite ^/news(",
            '$publisher_site "https://news.example"': f'$publisher_site "{site}"',
            '$publisher_hubs ""': "$publisher_hubs '{}'".format(
                "".join(f', <{hub}>; rel="hub"' for hub in hubs)
            ),
            '$publisher_media " https://news.example"': '$publisher_media "{}"'.format(
                "".join(f" {each}" for each in media_from)
            ),
        },
    )
    (folder / "publisher.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_AROUND_NGINX.format(folder=folder, user=user))
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with _running(command, folder, port):
        yield port


@contextmanager
def caddy(
    folder: Path,
    root: Path,
    daemon_port: int,
    *,
    site: str = "https://news.example",
    hubs: Sequence[str] = (),
    media_from: Sequence[str] = (),
) -> Iterator[int]:
    """The port of a Caddy that serves `root`/feeds; its own files are in `folder`."""
    program, port = needs("caddy"), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    text = _set(
        (ROOT / "config" / "Caddyfile").read_text(),
        {
            "\nnews.example {": f"\nhttp://127.0.0.1:{port} {{",
            "127.0.0.1:8080": f"127.0.0.1:{daemon_port}",
            "root * /srv/news": f"root * {root}",
            "# uri strip_prefix /news": "uri strip_prefix /news",
            '\tsite "https://news.example"': f'\tsite "{site}"',
            'hubs ""': "hubs `{}`".format("".join(f', <{hub}>; rel="hub"' for hub in hubs)),
            'media " https://news.example"': 'media "{}"'.format(
                "".join(f" {each}" for each in media_from)
            ),
        },
    )
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + text)
    command = [program, "run", "--config", str(folder / "Caddyfile")]
    with _running(command, folder, port):
        yield port


def _set(text: str, places: dict[str, str]) -> str:
    for before, after in places.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, "HOME": str(folder)}
        )
    try:
        until(lambda: process.poll() is not None or _answers(port), f"{command[0]} to answer")
        assert process.poll() is None, (folder / "log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(15)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/feeds/", timeout=30):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False
