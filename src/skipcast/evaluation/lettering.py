"""Names of tracks and artists in figures: any script, any length, and only what can be drawn."""

import logging
import unicodedata
from functools import cache

from matplotlib import font_manager

# Fonts of usual systems, after matplotlib's own, which lacks the scripts of East and South Asia.
FONTS = (
    *("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans KR"),
    *("Hiragino Sans", "Yu Gothic", "MS Gothic", "Microsoft YaHei", "Malgun Gothic"),
    *("Arial Unicode MS", "WenQuanYi Zen Hei", "IPAGothic", "Noto Sans Devanagari", "Nirmala UI"),
    *("Noto Sans Thai", "Leelawadee UI", "Segoe UI Emoji", "Noto Emoji", "Symbola"),
)
# It would tell of each font that has no regular weight: the one that it has will do.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
LACKING = "\u25a1"  # stands for a letter that no font of this machine has
CUT = "\u2026"


@cache
def fonts() -> tuple[str, ...]:
    """Return those of `FONTS` that this machine has."""
    installed = set(font_manager.get_font_names())
    return tuple(name for name in FONTS if name in installed)


@cache
def _letters() -> frozenset[int]:
    paths = [font_manager.findfont(name) for name in fonts()]
    return frozenset(code for path in paths for code in font_manager.get_font(path).get_charmap())


def drawable(text: str, width: int) -> str:
    """Return `text` as it can be drawn, in at most `width` columns: letters of East Asia take two.

    A letter that no font has becomes `LACKING`; signs that nobody sees are left out.

    >>> drawable("A  name of many words", 12)
    'A name of m…'
    """
    seen = "".join(c if c.isspace() or unicodedata.category(c)[0] != "C" else "" for c in text)
    letters = [c if ord(c) in _letters() else LACKING for c in " ".join(seen.split())]
    taken = 0
    for place, letter in enumerate(letters):
        taken += _columns(letter)
        if taken > width:
            return _fit(letters[:place], width - 1) + CUT
    return "".join(letters)


def _fit(letters: list[str], width: int) -> str:
    while sum(map(_columns, letters)) > width:
        letters = letters[:-1]
    return "".join(letters).rstrip()


def _columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
