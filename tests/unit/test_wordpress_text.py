"""Posts as readable HTML: what the editors of WordPress left in them is shown or gone."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.core.model import Image
from publisher.kit.html import clean
from publisher.sources.wordpress.markup import Media, words
from publisher.sources.wordpress.text import readable

KNOWN = {
    1: Image(url="https://pier.example/1.jpg", alt="One", caption="Salt & fog"),
    2: Image(url="https://pier.example/2.png"),
    3: Image(url="https://pier.example/horn.mp3", caption="The horn"),
}
BLOCKS = {
    7: "<!-- wp:paragraph -->\n<p>Reused.</p>\n<!-- /wp:paragraph -->",
    8: '<p>Itself:</p><!-- wp:block {"ref":8} /-->',
}
MEDIA = Media(
    image=KNOWN.get, attached=lambda: list(KNOWN.values()), block=lambda n: BLOCKS.get(n, "")
)
BLOG = "https://pier.example/"
ONE = (
    '<figure><img src="https://pier.example/1.jpg" alt="One">'
    "<figcaption>Salt &amp; fog</figcaption></figure>"
)
TWO = '<figure><img src="https://pier.example/2.png" alt=""></figure>'


def shown(content: str) -> str:
    """As it is kept in the end, but for line breaks and what every link has."""
    html = clean(readable(content, MEDIA), BLOG).replace(' rel="noopener noreferrer"', "")
    return re.sub(r"\s*\n\s*", "", html)


def player(tag: str, address: str) -> str:
    name = address.rpartition("/")[2]
    return f'<p><{tag} src="{address}" controls="">{link(address, name)}</{tag}></p>'


def link(address: str, text: str = "") -> str:
    return f'<a href="{address}">{text or address}</a>'


@pytest.mark.parametrize(
    ("content", "html"),
    [
        ("One\n\nTwo\nthree", "<p>One</p><p>Two<br>three</p>"),
        ("One\r\n\r\nTwo", "<p>One</p><p>Two</p>"),
        ("One\n \t\n\n\nTwo", "<p>One</p><p>Two</p>"),
        ("a<br />\nb<br/><br>c", "<p>a<br>b</p><p>c</p>"),
        ("<em>a\n\nb</em>", "<p><em>a</em></p><em></em><p><em>b</em></p>"),
        ("<h2>T</h2>\nText", "<h2>T</h2><p>Text</p>"),
        (
            "T\n<ul>\n\t<li>a</li>\n\t<li>b\nc</li>\n</ul>\nx",
            "<p>T</p><ul><li>a</li><li>b<br>c</li></ul><p>x</p>",
        ),
        ("<li>alone</li>", "<li>alone</li>"),
        ("<blockquote>Said\n\nso</blockquote>", "<blockquote><p>Said</p><p>so</p></blockquote>"),
        (
            "<div>one</div>\n<div>two\n\nthree</div>",
            "<div>one</div><div><p>two</p><p>three</p></div>",
        ),
        ("<p>a</p>\n\n<p>b\n\nc</p>", "<p>a</p><p>b</p><p>c</p>"),
        ("<p>a<ul><li>b</li></ul>c</p>d", "<p>a</p><ul><li>b</li></ul><p>c</p><p>d</p>"),
        (
            "<table>\n<tr>\n<td>a\nb</td>\n</tr>\n</table>",
            "<table><tbody><tr><td>a<br>b</td></tr></tbody></table>",
        ),
        ("<a href='/x'><h3>T</h3></a>", f"{link('https://pier.example/x', '<h2>T</h2>')}"),
        ("a < b\n\nc <3 d & e", "<p>a &lt; b</p><p>c &lt;3 d &amp; e</p>"),
        ("<hr>\na", "<hr><p>a</p>"),
        ("a\n\n&nbsp;\n\nb", "<p>a</p><p>b</p>"),
        ("", ""),
    ],
)
def test_classic_posts_get_their_paragraphs(content: str, html: str) -> None:
    assert shown(content) == html


@pytest.mark.parametrize("tag", ["pre", "svg", "script", "textarea"])
def test_what_stands_as_it_was_written(tag: str) -> None:
    written = f"<{tag}>\na\n\n  <b>b</b>\n</{tag}>"
    assert written in readable(f"x\n\n{written}\n\ny", MEDIA)


def test_an_open_pre_loses_nothing() -> None:
    assert shown("a <pre> b\n\nc").replace("<pre>", "").startswith("<p>a")
    assert {"a", "b", "c"} <= set(re.findall(r"\w+", shown("a <pre> b\n\nc")))


@pytest.mark.parametrize(
    ("content", "html"),
    [
        ('<!-- wp:paragraph {"a":"b"} -->\n<p>a\nb</p>\n<!-- /wp:paragraph -->', "<p>ab</p>"),
        ("<!-- wp:more -->\n<!--more Go on-->\n<!-- /wp:more -->\n<p>a</p>", "<p>a</p>"),
        ("a<!--more-->b<!--nextpage-->c<!-- note -->d", "<p>a</p><p>b</p><p>cd</p>"),
        ("a<!-->b<!-- -->c", "<p>abc</p>"),
        ("a <!-- never closed\nb", "<p>a<br>b</p>"),
        ('<!-- wp:latest-posts {"postsToShow":3} /--><p>a</p>', "<p>a</p>"),
        (
            '<!-- wp:rss {"feedURL":"https://x.example/feed"} /-->',
            f"<p>{link('https://x.example/feed')}</p>",
        ),
        ('<!-- wp:rss {"feedURL":"javascript:x"} /-->', ""),
        ("<!-- wp:rss {broken} /--><p>a</p>", "<p>a</p>"),
        (
            '<!-- wp:navigation-link {"label":"A & <b>","url":"https://x.example/"} /-->',
            f"<p>{link('https://x.example/', 'A &amp; &lt;b&gt;')}</p>",
        ),
        (
            "<!-- wp:social-links -->\n<ul>"
            '<!-- wp:social-link {"url":"https://x.example/","service":"toot"} /-->'
            "</ul>\n<!-- /wp:social-links -->",
            f"<ul><li>{link('https://x.example/', 'toot')}</li></ul>",
        ),
        ('<!-- wp:block {"ref":7} /-->', "<p>Reused.</p>"),
        ('<!-- wp:block {"ref":8} /--><!-- wp:block {"ref":9} /-->', "<p>Itself:</p>"),
        (
            '<!-- wp:cover {"url":"https://x.example/c.jpg","alt":"C"} -->\n'
            '<div style="background-image:url(https://x.example/c.jpg)"><p>On it</p></div>\n'
            "<!-- /wp:cover -->",
            '<figure><img src="https://x.example/c.jpg" alt="C"></figure><div><p>On it</p></div>',
        ),
        (
            '<!-- wp:cover {"url":"https://x.example/c.jpg"} -->\n'
            '<div><img src="https://x.example/c.jpg" alt=""/><p>On it</p></div>'
            "<!-- /wp:cover -->",
            '<div><img src="https://x.example/c.jpg" alt=""><p>On it</p></div>',
        ),
        (
            '<!-- wp:core-embed/youtube {"url":"https://v.example/1"} -->\n<figure><div>\n'
            "https://v.example/1\n</div><figcaption>V</figcaption></figure>\n"
            "<!-- /wp:core-embed/youtube -->",
            f"<figure><div>{link('https://v.example/1')}</div><figcaption>V</figcaption></figure>",
        ),
        ('<!-- wp:shortcode -->\n[gallery ids="1"]\n<!-- /wp:shortcode -->', ONE),
        (
            "<!-- wp:verse -->\n"
            '<pre class="wp-block-verse has-text-align-right">Salt\n  &amp; <em>fog</em>\n\n'
            " and<br>tar\n</pre>\n<!-- /wp:verse --><pre>x\n\n y</pre>",
            "<p>Salt<br>&nbsp;&nbsp;&amp; <em>fog</em></p><p>&nbsp;and<br>tar</p><pre>xy</pre>",
        ),
        (
            "<!-- wp:paragraph -->\n<p></p>\n<!-- /wp:paragraph -->\n"
            "<!-- wp:spacer -->\n<div style='height:9px'></div>\n<!-- /wp:spacer -->",
            "",
        ),
    ],
)
def test_the_block_editors_comments(content: str, html: str) -> None:
    assert shown(content) == html


@pytest.mark.parametrize(
    ("content", "html"),
    [
        (
            '[caption id="a" width="3"]<a href="/x"><img src="/i.jpg" alt="I" /></a> A <em>cap</em>'
            "[/caption]",
            '<figure><a href="https://pier.example/x"><img src="https://pier.example/i.jpg" '
            'alt="I"></a><figcaption>A <em>cap</em></figcaption></figure>',
        ),
        (
            '[caption width="3" caption="Old & <em>gold</em>"]<img src="/i.jpg" alt="">[/caption]',
            '<figure><img src="https://pier.example/i.jpg" alt=""><figcaption>'
            "Old &amp; <em>gold</em></figcaption></figure>",
        ),
        ("[caption]words alone[/caption]", "<figure>words alone</figure>"),
        ('[caption caption="never closed"]', "<p>never closed</p>"),
        ("[gallery]", f"<figure>{ONE}{TWO}</figure>"),
        ('[gallery ids="2, 1,99" columns=4]', f"<figure>{TWO}{ONE}</figure>"),
        ('[gallery ids="1"]', ONE),
        ('[gallery ids="99"]', ""),
        (
            '[playlist ids="3"]',
            f"<ul><li>{link('https://pier.example/horn.mp3', 'The horn')}</li></ul>",
        ),
        (
            "[embed width='5']https://v.example/?a=1&amp;b=2[/embed]",
            f"<p>{link('https://v.example/?a=1&amp;b=2')}</p>",
        ),
        ("a [embed]no address[/embed] b", "<p>a no address b</p>"),
        ("[audio https://x.example/a.mp3|loop=no]", player("audio", "https://x.example/a.mp3")),
        (
            '[audio mp3="https://x.example/a.mp3"][/audio]',
            player("audio", "https://x.example/a.mp3"),
        ),
        ('[video src="https://x.example/v.mp4"]', player("video", "https://x.example/v.mp4")),
        ('[video src="https://v.example/watch"]', f"<p>{link('https://v.example/watch')}</p>"),
        (
            "[youtube=https://v.example/w?v=1&amp;w=2]",
            f"<p>{link('https://v.example/w?v=1&amp;w=2')}</p>",
        ),
        ("[vimeo https://v.example/3]", f"<p>{link('https://v.example/3')}</p>"),
        ("[code lang='x']\n<b>\n&lt;i&gt;\n[/code]", "<pre><code>&lt;b&gt;&lt;i&gt;</code></pre>"),
        ('[one_half first="1"]left[/one_half][box]right[/box]', "<p>leftright</p>"),
        ('[contact-form-7 id="1" title="Us"][page_list][x /]', ""),
        ('[map src="https://m.example/1"]', f"<p>{link('https://m.example/1')}</p>"),
        ("[/caption]a", "<p>a</p>"),
        (
            "<p>[caption]<img src='/i.jpg'>[/caption]</p>",
            '<figure><img src="https://pier.example/i.jpg"></figure>',
        ),
    ],
)
def test_shortcodes(content: str, html: str) -> None:
    assert shown(content) == html


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("He [sic] said [the mayor], [1] [2a], [John's], [and/or], […]", None),
        ("[gallery talk] [Video] [video] [/rant] [see https://x.example/]", None),
        ("[[Some page]] a[my_index] [[", None),
        ("[[gallery]] [[audio src='x']]", "[gallery] [audio src='x']"),
        ("[[caption a='b']]x[[/caption]]", "[caption a='b']x[/caption]"),
        ("[[caption a='b']x[/caption]]", "[caption a='b']x[/caption]"),
        ("<code>[gallery] [a_b]</code>", "<code>[gallery] [a_b]</code>"),
        (
            '<a href="/?a[b]=1&amp;c[d e=1]=2">x</a>',
            '<a href="https://pier.example/?a[b]=1&amp;c[d%20e=1]=2">x</a>',
        ),
    ],
)
def test_brackets_that_are_no_shortcodes_stay(content: str, text: str | None) -> None:
    assert shown(content) == f"<p>{text or content}</p>"


@pytest.mark.parametrize(
    ("content", "html"),
    [
        ("https://v.example/1?a=1&amp;b=2", f"<p>{link('https://v.example/1?a=1&amp;b=2')}</p>"),
        ("a\nhttps://v.example/1\nb", f"<p>a<br>{link('https://v.example/1')}<br>b</p>"),
        ("see https://v.example/1", "<p>see https://v.example/1</p>"),
        (
            'Aye <img class="wp-smiley" src="/s.gif" alt=":-)"> <img class="emoji" alt="⚓">',
            "<p>Aye :-) ⚓</p>",
        ),
        ("<p>https://v.example/1</p>", f"<p>{link('https://v.example/1')}</p>"),
        (
            '<iframe src="//v.example/e/1" title="A &amp; B"></iframe>',
            f"<p>{link('https://v.example/e/1', 'A &amp; B')}</p>",
        ),
        (
            '<iframe src="https://v.example/e/1" /> and text',
            f"<p>{link('https://v.example/e/1')} and text</p>",
        ),
        (
            '<iframe class="lazy" src="about:blank" data-src="https://v.example/1"></iframe>'
            '<noscript><iframe src="https://v.example/1"></iframe></noscript>',
            f"<p>{link('https://v.example/1')}</p>",
        ),
        (
            'a<iframe src="https://t.example/" width="1" height="1"></iframe>'
            '<iframe src="javascript:x"></iframe>',
            "<p>a</p>",
        ),
        (
            '<object data="https://v.example/m"><param name="movie" value="https://v.example/m">'
            '<embed src="https://v.example/m">No plug-in</object>',
            f"<p>{link('https://v.example/m')}No plug-in</p>",
        ),
        (
            '<video controls><source src="/v.webm"></video>',
            '<p><video controls=""><source src="https://pier.example/v.webm">'
            f"{link('https://pier.example/v.webm', 'v.webm')}</video></p>",
        ),
        (
            "<button>Press</button> <a>x</a><a href='/y'>y</a>",
            f"<p>Press <a>x</a> {link('https://pier.example/y', 'y')}</p>",
        ),
    ],
)
def test_embedded_things_become_links(content: str, html: str) -> None:
    assert shown(content) == html


PLAIN = '<img src="https://x.example/a.jpg" alt="A &amp; b">'
SRC, ALT = "https://x.example/a.jpg", 'alt="A &amp; b"'
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


@pytest.mark.parametrize(
    "content",
    [
        f'<img src="{DOT}" data-src="{SRC}" {ALT} class="lazyload">',
        f'<img data-lazy-src="{SRC}" src="{SRC}?is-pending-load=1" srcset="{DOT}" {ALT}>',
        f"<img {ALT} data-original='{SRC}' src='/spinner.gif'/>",
        f'<img src="{DOT}" data-src="{SRC}" {ALT}><noscript><img src="{SRC}" {ALT}></noscript>',
        f'<noscript><img src="{SRC}" {ALT}></noscript><img src="{DOT}" data-src="{SRC}" {ALT}>',
        f'<img src="{DOT}" {ALT}><noscript><img src="{SRC}" {ALT}></noscript>',
        f'<img loading="lazy" src="{SRC}" {ALT} onload="x()">',
        f'<amp-img src="{SRC}" data-src="{SRC}" {ALT}></amp-img>',
    ],
)
def test_lazy_images_end_as_plain_ones(content: str) -> None:
    assert shown(f"<p>{content}</p>") == f"<p>{PLAIN}</p>"


@pytest.mark.parametrize(
    ("content", "html"),
    [
        (
            f'<IMG class="size-medium alignright wp-image-3" src="{SRC}" alt="">Beside it',
            f'<p><img align="right" src="{SRC}" alt="">Beside it</p>',
        ),
        (
            f'<img class="alignleft" src="{DOT}" data-src="{SRC}" alt="">Beside it',
            f'<p><img align="left" src="{SRC}" alt="">Beside it</p>',
        ),
        (f'<img class="aligncenter" src="{SRC}" alt="">', f'<p><img src="{SRC}" alt=""></p>'),
        (
            f'[caption]<img class="alignleft" src="{SRC}" alt=""> Sea[/caption]',
            f'<figure><img src="{SRC}" alt=""><figcaption>Sea</figcaption></figure>',
        ),
    ],
)
def test_text_flows_around_an_image_that_stood_beside_it(content: str, html: str) -> None:
    assert shown(content) == html


def test_a_lazy_images_sizes_are_kept() -> None:
    content = (
        f'<img src="{DOT}" data-src="/a.jpg" data-srcset="/a.jpg 1x, /b.jpg 2x" sizes="50vw"'
        ' width="640" alt="">'
    )
    assert shown(content) == (
        '<p><img src="https://pier.example/a.jpg" width="640" srcset="https://pier.example/a.jpg '
        '1x, https://pier.example/b.jpg 2x" sizes="50vw" alt=""></p>'
    )


def test_the_same_image_twice_stays_twice() -> None:
    assert shown(f"{PLAIN}\n\n{PLAIN}") == f"<p>{PLAIN}</p><p>{PLAIN}</p>"


def test_an_attribute_gone_wrong_swallows_no_text() -> None:
    content = '<img alt="5" tall" data-src="/a.jpg">text <a title="x>y" href="/z">link</a>'
    assert shown(content) == (
        '<p><img src="https://pier.example/a.jpg" alt="5">text '
        '<a title="x&gt;y" href="https://pier.example/z">link</a></p>'
    )


@pytest.mark.parametrize(
    ("name", "read_as"),
    [
        ("A <em>b</em> &amp; <b class='x'>c<sup>2</sup></b>", "A b & c2"),
        ("One<br />two", "One two"),
        ("~`!@#$%^&*()-_=+{}[]/\\;:'\"?,.>", "~`!@#$%^&*()-_=+{}[]/\\;:'\"?,.>"),
        ("a < b, AT&T, &copy 2024, &#8217;", "a < b, AT&T, &copy 2024, ’"),
        ("<script>alert(0)</script>", "<script>alert(0)</script>"),
        (" ", ""),
    ],
)
def test_names_hold_a_little_html(name: str, read_as: str) -> None:
    assert words(name) == read_as


PIECES = (
    "<p> </p> <div> </div> <ul> <li> </li> </ul> <pre> </pre> <br> \\n \\n\\n <em> </em> <a> </a>"
    " [caption] [/caption] [caption|a='b'] [gallery] [[gallery]] [x] [/x] [x_y] [[ ]] [embed]"
    " [/embed] <!--|wp:paragraph|--> <!--|wp:x|/--> <!--more--> <!--c--> <img|src='/i'> <noscript>"
    " </noscript> <table> <td> </table> <blockquote> </blockquote> <h2> </h2> <figure> </figure>"
    " https://v.example/1 <iframe> </object> <video> </video>"
).replace("\\n", "\n")


@example(["<p>", "[caption]", "w1x", "</p>", "[/caption]"])
@given(
    st.lists(st.sampled_from(PIECES.split(" ")) | st.from_regex(r"\Aw[0-9]{1,3}x\Z"), max_size=25)
)
def test_no_word_is_lost_and_no_comment_shown(pieces: list[str]) -> None:
    html = shown(" ".join(pieces).replace("|", " "))
    assert [each for each in pieces if each.startswith("w")] == re.findall(r"w[0-9]{1,3}x", html)
    assert "<!--" not in html
    assert "wp:" not in html
    assert "[caption" not in html or "<pre>" in pieces


@pytest.mark.parametrize(
    "content",
    ["<!--" * 200_000, "[a " * 200_000, '[a "' * 200_000, "[a]" * 100_000, "[caption]" * 50_000,
     "<p>" * 100_000, "<div>" * 100_000 + "</p>" * 100_000, "<a ='" * 200_000, "\n" * 500_000,
     "<img " * 200_000, '<!-- wp:cover {"url":"https://x.example/"} -->' * 10_000,
     "[a]" * 50_000 + "[/a]" * 50_000, "<br>" * 200_000, "https://x.example/ " * 50_000,
     "<p> " * 100_000 + "</p>" * 100_000, "<noscript>" * 100_000],
    ids=range(16),
)  # fmt: skip
def test_content_made_to_cost_time_costs_little(content: str) -> None:
    readable(content, MEDIA)
