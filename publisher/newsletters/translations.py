"""The fixed words of a newsletter's mail, language by language; dates and numbers are Babel's."""

from dataclasses import dataclass

from publisher.core.model import Cadence


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Phrases with `%(…)s` places, so worded that no number changes their grammar."""

    daily: str
    weekly: str
    immediate: str
    and_more: str
    nothing: str
    read_on: str
    minutes: str
    more: str
    on_the_site: str
    why: str
    unsubscribe: str
    contact: str

    def edition(self, cadence: Cadence) -> str:
        """What stands over an edition of that cadence."""
        return {
            Cadence.DAILY: self.daily,
            Cadence.WEEKLY: self.weekly,
            Cadence.IMMEDIATE: self.immediate,
        }[cadence]


LANGUAGES = {
    "en": Words(
        daily="Daily edition",
        weekly="Weekly edition",
        immediate="Just in",
        and_more="%(lead)s and %(count)s more",
        nothing="No new articles",
        read_on="Read on",
        minutes="%(count)s min read",
        more="More stories",
        on_the_site="And %(count)s more on the site",
        why="You receive this mail because you subscribed to %(newsletter)s from %(site)s.",
        unsubscribe="Unsubscribe",
        contact="Write to us",
    ),
    "de": Words(
        daily="Tagesausgabe",
        weekly="Wochenausgabe",
        immediate="Soeben",
        and_more="%(lead)s und %(count)s mehr",
        nothing="Keine neuen Artikel",
        read_on="Weiterlesen",
        minutes="%(count)s Min. Lesezeit",
        more="Weitere Artikel",
        on_the_site="Und %(count)s mehr auf der Website",
        why="Sie erhalten diese Mail, weil Sie %(newsletter)s von %(site)s abonniert haben.",
        unsubscribe="Abbestellen",
        contact="Schreiben Sie uns",
    ),
    "fr": Words(
        daily="Édition du jour",
        weekly="Édition de la semaine",
        immediate="À l’instant",
        and_more="%(lead)s et %(count)s de plus",
        nothing="Pas de nouvel article",
        read_on="Lire la suite",
        minutes="%(count)s min de lecture",
        more="Autres articles",
        on_the_site="Et %(count)s de plus sur le site",
        why="Vous recevez ce message car vous êtes abonné à %(newsletter)s de %(site)s.",
        unsubscribe="Se désabonner",
        contact="Nous écrire",
    ),
    "es": Words(
        daily="Edición diaria",
        weekly="Edición semanal",
        immediate="Última hora",
        and_more="%(lead)s y %(count)s más",
        nothing="No hay artículos nuevos",
        read_on="Seguir leyendo",
        minutes="%(count)s min de lectura",
        more="Más artículos",
        on_the_site="Y %(count)s más en el sitio",
        why="Recibe este correo porque se suscribió a %(newsletter)s de %(site)s.",
        unsubscribe="Darse de baja",
        contact="Escríbanos",
    ),
    "ru": Words(
        daily="Выпуск дня",
        weekly="Выпуск недели",
        immediate="Только что",
        and_more="%(lead)s и ещё %(count)s",
        nothing="Новых статей нет",
        read_on="Читать дальше",
        minutes="%(count)s мин. чтения",
        more="Другие статьи",
        on_the_site="И ещё %(count)s на сайте",
        why="Вы получили это письмо, потому что подписались на «%(newsletter)s» (%(site)s).",
        unsubscribe="Отписаться",
        contact="Написать нам",
    ),
}


def words(locale: str) -> Words:
    """The words for a locale whose language is one of `LANGUAGES`."""
    return LANGUAGES[locale.partition("-")[0]]
