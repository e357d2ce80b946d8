from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

import node.web
from node.screening.states import ANSWERS, VOTES, Phase
from node.services.breaks import Tried
from node.services.screening.checking import SAYS
from node.services.screening.views import time_iso
from node.web import blacklist_words, wallet_words
from node.web.detail import passes_words, terms_words
from node.web.i18n import LOCALE_DIR, Speaker, decimal_text, pick_locale
from node.web.tried import tried_why
from node.web.words import KINDS, STATES, is_long, kind_title, to_do
from reconcile.model import BreakKind, Side, day_iso

PLACES = re.compile(r"%\((\w+)\)s")
WEB = Path(node.web.__file__).parent
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "translate": None}


def messages() -> set[str | tuple[str, ...]]:
    """Return every message of the desk's modules and templates."""
    found: set[str | tuple[str, ...]] = set()
    sources = [(path, "python") for path in WEB.rglob("*.py")]
    sources += [(path, "jinja2.ext:babel_extract") for path in WEB.glob("templates/*.html")]
    for path, method in sources:
        with path.open("rb") as stream:
            for _, message, _, _ in extract(method, stream, KEYWORDS):  # type: ignore[arg-type]
                found.add(message if isinstance(message, str) else tuple(message))
    return found - {""}


def test_every_message_has_its_chinese_and_none_is_left_over() -> None:
    """The catalogue is complete: templates, modules and catalogue name the same messages."""
    with (LOCALE_DIR / "zh" / "LC_MESSAGES" / "desk.po").open("rb") as stream:
        catalogue = read_po(stream, locale="zh")
    known = {entry.id for entry in catalogue if entry.id and entry.string}
    said = messages()
    assert len(said) > 500
    assert said - known == set(), "without Chinese"
    assert known - said == set(), "no longer used"


# More than one by what they say: bounds, and sets that are said otherwise when they hold one.
ALWAYS_MANY = {
    "over %(number)s days",
    "%(who)s booked %(count)s entries, together %(money)s",
    (
        "The window has %(number)s groups, more than a sheet holds: name a reference or an amount "
        "when you download it."
    ),
}


def test_a_counted_noun_has_its_singular() -> None:
    """No message says "1 business days": what counts a noun is a message with a plural."""
    counts = re.compile(r"%\((?!root)\w+\)s (?:[a-z]+ )?[a-z]{2,}[^us]s\b")
    plain = {text for text in messages() if isinstance(text, str)}
    assert plain >= ALWAYS_MANY
    assert {text for text in plain - ALWAYS_MANY if counts.search(text)} == set()


def test_terms_of_one_day_say_day() -> None:
    """The terms' page counts in the reader's language."""
    terms = {"grace_days": "1", "stale_after_days": "5", "rounding_minor": "1"}
    said = [text for _, text in terms_words(terms, Speaker("en"))]
    assert said[-4:] == ["1 business day", "5 business days", "1 minor unit", "0 minor units"]
    assert "1 个工作日" in dict(terms_words(terms, Speaker("zh"))).values()
    passes = {"passes": [{"name": "e2e", "keys": [], "value_date_days": "1"}]}
    assert passes_words(passes, Speaker("en"))[0].days == "at most 1 business day apart"


def test_a_translation_keeps_the_places_of_its_message() -> None:
    """%(name)s of the English stands in the Chinese and nothing else does."""
    with (LOCALE_DIR / "zh" / "LC_MESSAGES" / "desk.po").open("rb") as stream:
        for entry in read_po(stream, locale="zh"):
            if not entry.id or isinstance(entry.id, tuple):
                continue
            places = [
                set(re.findall(r"%\((\w+)\)s", str(text))) for text in (entry.id, entry.string)
            ]
            assert places[0] == places[1], entry.id


@pytest.mark.parametrize(
    ("verdict", "facts"),
    [
        ("NO_COUNTERPART", ()),
        ("NO_KEY", ("owner", "end_to_end_id")),
        ("KEY_DIFFERS", ("voucher_no", "7", "8")),
        ("TOLD_APART", ("servicer_ref", "7", "8")),
        ("CURRENCY_DIFFERS", ("CNY", "USD")),
        ("AMOUNT_DIFFERS", ("CNY", "-1044399", "1044849")),
        ("TOO_FAR", ("1", "0")),
        ("NOT_CONFIRMED", ()),
        ("SETTLED_OTHERWISE", ()),
    ],
)
def test_why_a_pass_did_not_confirm_is_said_in_both_languages(
    verdict: str, facts: tuple[str, ...]
) -> None:
    """Each verdict has its sentence; amounts are money, never minor units."""
    item = Tried("e2e", "always", verdict, "raw words of the service", facts)
    said = {locale: tried_why(item, Speaker(locale)) for locale in ("en", "zh")}
    assert "raw" not in "".join(said.values())
    assert not re.search("[a-z]{3}", said["zh"])
    if verdict == "AMOUNT_DIFFERS":
        assert "10,443.99" in said["zh"]
    if verdict == "TOO_FAR":
        assert said["en"].startswith("1 business day apart")


def test_the_day_above_every_page_is_the_local_one() -> None:
    """At half past four in the afternoon UTC the next day has begun where the desk stands."""
    assert Speaker("en").date(1_795_969_800_000) == "30 Nov 2026"


@given(st.integers(-(10**24), 10**24), st.sampled_from([0, 2, 3]))
def test_money_reads_back_as_the_same_integer(minor: int, digits: int) -> None:
    """No amount is rounded on its way to the screen."""
    text = decimal_text(minor, digits)
    sign = -1 if text.startswith("−") else 1
    back = sign * int(text.lstrip("−").replace(",", "").replace(".", ""))
    assert back == minor
    if digits:
        assert len(text.rsplit(".", 1)[1]) == digits


def test_money_shows_its_currency_without_doubt() -> None:
    """¥ is the yuan and nothing else; the minus stands before the symbol."""
    for locale in ("zh", "en"):
        speaker = Speaker(locale)
        assert speaker.money(312_000, "CNY") == "¥\u00a03,120.00"
        assert speaker.money(-5, "USD") == "−US$\u00a00.05"
        assert speaker.money(1_000, "JPY") == "JPY\u00a01,000"


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_a_part_never_reads_as_the_whole(part: int, whole: int) -> None:
    """99.999 % is floored: 100.00 % appears only when nothing is missing."""
    text = Speaker("en").percent(min(part, whole), whole)
    assert ("100.00" in text) == (min(part, whole) == whole)


def test_the_language_is_the_readers_choice_then_the_browsers() -> None:
    """A cookie beats Accept-Language; an unknown language falls back to English."""
    assert pick_locale("en", "zh-CN,zh;q=0.9") == "en"
    assert pick_locale(None, "zh-CN,zh;q=0.9") == "zh"
    assert pick_locale(None, "fr,de;q=0.8") == "en"
    assert pick_locale("xx", "fr, zh;q=0.2") == "zh"


def test_long_and_short_turn_with_the_reader() -> None:
    """What is 长款 for one side is 短款 for the other; an observer reads the neutral word."""
    for kind in (BreakKind.MISSING_AT_OWNER, BreakKind.MISSING_AT_SERVICER):
        assert is_long(kind, Side.OWNER) is not is_long(kind, Side.SERVICER)
        assert is_long(kind, None) is None
    zh = Speaker("zh").gettext
    assert kind_title(BreakKind.MISSING_AT_OWNER, Side.OWNER, zh).startswith("长款")
    assert kind_title(BreakKind.MISSING_AT_OWNER, Side.SERVICER, zh).startswith("短款")


def test_every_kind_and_state_has_a_word_and_something_to_do() -> None:
    """No kind of break is without its word and its advice, no state without a shape."""
    en = Speaker("en").gettext
    for kind in BreakKind:
        assert KINDS[kind]
        assert to_do(kind, Side.OWNER, en)
    for state in STATES.values():
        assert state.word
        assert state.tone in {"good", "warn", "bad", "idle", "info"}
        assert state.shape in {"check", "cross", "clock", "half", "pen", "dot", "ring", "bang"}


def test_the_blacklist_s_words_are_the_services_own() -> None:
    """What a check says, what an answer lacks, phases and verdicts: none without its words."""
    assert blacklist_words.CHECK_SAYS == SAYS
    assert set(blacklist_words.PHASE_SAYS) == set(Phase.__members__) - {"NONE"}
    assert set(blacklist_words.PHASE_SAYS) == set(blacklist_words.PHASES)
    assert list(blacklist_words.ANSWER_CHOICES) == [word.name for word in ANSWERS]
    assert list(blacklist_words.VOTE_CHOICES) == [word.name for word in VOTES]
    assert all(line == says for line, says in wallet_words.MISSING.items())
    assert wallet_words.missing_words("evidence of entry ab", str) == "evidence of entry ab"


@given(st.integers(-(2**70), 2**70), st.sampled_from(["en", "zh"]))
def test_every_number_is_some_day_and_some_time(number: int, locale: str) -> None:
    """What others wrote on a ledger is shown whatever it is."""
    speaker = Speaker(locale)
    assert speaker.day(number)
    assert speaker.time(number * 1_000)
    assert day_iso(number)
    assert time_iso(number)
