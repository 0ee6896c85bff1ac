"""The phrases behind which a page refers to further reading ("Read more"), in many languages."""

import unicodedata

MARKERS = {
    "en": "read more|read also|also read|see also|see more|learn more|find out more|read next|"
    "related|related article|related articles|related story|related stories|"
    "further reading|recommended|continue reading|more on this topic|more on this story",
    "de": "lesen sie auch|lesen sie mehr|lesen sie hier|lies auch|lies mehr|mehr lesen|weiterlesen|"
    "mehr dazu|mehr zum thema|siehe auch|auch interessant",
    "fr": "lire aussi|à lire|à lire aussi|lire également|à lire également|lire la suite|lire plus|"
    "en savoir plus|voir aussi",
    "es": "leer más|lee también|lea también|leer también|lea más|ver también|seguir leyendo",
    "it": "leggi anche|leggi di più|leggi tutto|per saperne di più|vedi anche|continua a leggere",
    "pt": "leia mais|leia também|ler mais|ler também|veja também|saiba mais|continue lendo",
    "ca, gl, ro": "llegir més|llegeix també|ler máis|citește și|citește mai mult|citiți și|vezi și",
    "nl": "lees ook|lees meer|lees verder|bekijk ook|zie ook",
    "sv, da, no": "läs mer|läs också|läs även|se även|læs også|læs mere|les også|les mer|se også",
    "fi, et, is": "lue myös|lue lisää|loe ka|loe lisaks|loe edasi|lesa meira|lesið einnig",
    "pl": "czytaj także|czytaj też|czytaj również|czytaj więcej|przeczytaj także|przeczytaj też|"
    "zobacz także|zobacz też",
    "cs, sk": "čtěte také|čtěte více|číst více|přečtěte si také|čítajte tiež|čítajte viac",
    "hu": "olvassa el|olvasson tovább|tovább olvasom|bővebben",
    "hr, sl, sq": "pročitajte još|pročitajte više|pročitaj više|preberite tudi|preberite več|"
    "lexo edhe",
    "sr, bg, mk": "прочитајте још|прочитајте више|прочитај још|опширније|прочетете още|"
    "прочети още|вижте още|прочитај повеќе",
    "ru": "читайте также|читать также|читать далее|читать дальше|читать ещё|читать больше|"
    "подробнее|по теме|материалы по теме|смотрите также|узнать больше",
    "uk, be": "читайте також|читати також|читати далі|читати більше|дивіться також|докладніше|"
    "чытайце таксама|чытаць далей",
    "el": "διαβάστε επίσης|διαβάστε ακόμη|διαβάστε περισσότερα|δείτε επίσης",
    "lt, lv": "skaitykite taip pat|skaityti daugiau|lasi arī|lasīt vairāk",
    "tr, az": "devamını oku|ayrıca okuyun|daha fazla oku|daha fazlası|ilgili haber|həmçinin oxuyun",
    "ka, hy, kk": "წაიკითხეთ ასევე|ვრცლად|կարդացեք նաև|կարդալ ավելին|тағы оқыңыз",
    "ar": "اقرأ أيضا|اقرأ المزيد|اقرأ كذلك|إقرأ أيضا|إقرأ المزيد|طالع أيضا|للمزيد|المزيد",
    "fa, ur": "بیشتر بخوانید|همچنین بخوانید|ادامه مطلب|مزید پڑھیں|یہ بھی پڑھیں",
    "he": "קראו עוד|קראו גם|קרא עוד|קרא גם|להמשך קריאה|ראו גם",
    "hi, bn, ta": "और पढ़ें|यह भी पढ़ें|ये भी पढ़ें|आणखी वाचा|আরও পড়ুন|আরো পড়ুন|மேலும் படிக்க",
    "zh": "阅读更多|延伸阅读|相关阅读|相关报道|相关新闻|更多阅读|了解更多|閱讀更多|"
    "延伸閱讀|相關閱讀|相關報導|相關新聞",
    "ja": "続きを読む|関連記事|あわせて読みたい|合わせて読みたい|もっと読む|もっと詳しく",
    "ko": "더 읽기|더 보기|더 읽어보기|이어 읽기|함께 읽기|관련 기사|관련기사",
    "vi, id": "đọc thêm|xem thêm|baca juga|baca selengkapnya|baca lagi",
    "th, sw, am": "อ่านเพิ่มเติม|อ่านต่อ|soma zaidi|soma pia|ተጨማሪ ያንብቡ",
}
"""By language, for whoever mends the list; any phrase counts on any page."""


def fold(line: str) -> str:
    """A phrase for comparison: letters and digits only, without case and accents."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", line).casefold())
    kept = (char for char in plain if unicodedata.category(char)[0] != "M" and char.isprintable())
    return " ".join("".join(char if char.isalnum() else " " for char in kept).split())


USUAL = frozenset(fold(phrase) for said in MARKERS.values() for phrase in said.split("|"))
