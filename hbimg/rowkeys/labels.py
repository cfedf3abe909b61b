"""Labels: any text as at most 64 ASCII bytes that may stand in a row key.

A text of ``[A-Za-z0-9._-]`` is its own label. Every other byte of its UTF-8 form becomes ``=HH`` (so ``=`` itself is
always escaped and the escape is injective). A label that would be longer than 64 bytes is cut and ended by ``~`` and
80 bits of the text's SHA-256; ``~`` stands in no other label. ``-`` alone is reserved for 'none'.
"""

from __future__ import annotations

import hashlib
import re

from hbimg.errors import RowKeyError
from hbimg.model import NONE_LABEL

MAX_LABEL_BYTES = 64
_HASH_DIGITS = 20

_ESCAPED = r"(?:[A-Za-z0-9._-]|=[0-9A-F]{2})"
_LABEL = re.compile(rf"(?:{_ESCAPED}+|{_ESCAPED}+~[0-9a-f]{{{_HASH_DIGITS}}})\Z")
_PLAIN = re.compile(r"[A-Za-z0-9._-]\Z")
#: Plain texts that are escaped all the same: the token for 'none', and names that file systems read as folders.
_RESERVED = frozenset({NONE_LABEL, ".", ".."})


def label_of(text: str | None) -> str:
    """Give the label of a text; None gives the label for 'none'.

    Raises
    ------
    RowKeyError
        If the text is empty, or holds a lone surrogate (a file name that is no UTF-8).
    """
    if text is None:
        return NONE_LABEL
    if not text:
        raise RowKeyError("an empty text cannot be part of a volume key: give a name, or leave the level out")
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise RowKeyError(f"{text!r} cannot be part of a volume key: it is no valid Unicode text") from error
    escape_all = text in _RESERVED
    pieces = [chr(b) if not escape_all and _PLAIN.match(chr(b)) else f"={b:02X}" for b in encoded]
    label = "".join(pieces)
    if len(label) <= MAX_LABEL_BYTES:
        return label
    return _cut(pieces) + "~" + hashlib.sha256(encoded).hexdigest()[:_HASH_DIGITS]


def _cut(pieces: list[str]) -> str:
    """Give the longest start of the label that leaves room for the hash and cuts no escape in two."""
    room = MAX_LABEL_BYTES - _HASH_DIGITS - 1
    kept = ""
    for piece in pieces:
        if len(kept) + len(piece) > room:
            break
        kept += piece
    return kept


def text_of(label: str) -> str | None:
    """Give the text whose label this is, or None for the label of 'none' and for a hashed label.

    The text of a hashed label stands in the volume's record.
    """
    check_label(label)
    if label == NONE_LABEL or "~" in label:
        return None
    return _unescape(label)


def is_hashed(label: str) -> bool:
    """Whether a label holds a hash in the place of the rest of its text."""
    return "~" in label


def check_label(label: str) -> str:
    """Give the label back if it is one.

    Raises
    ------
    RowKeyError
        If it is empty, too long, has a character that no label has, or escapes what needs no escape.
    """
    if len(label) > MAX_LABEL_BYTES or not _LABEL.match(label) or not _is_canonical(label):
        raise RowKeyError(
            f"{label!r} is no label: 1 to {MAX_LABEL_BYTES} characters of A-Z a-z 0-9 . _ - are allowed, "
            "other text is escaped by hbimg.rowkeys.label_of"
        )
    return label


def _is_canonical(label: str) -> bool:
    """Whether a label is one that `label_of` gives: two spellings of one text would be two keys."""
    start, hashed, _ = label.partition("~")
    if hashed:
        # The text is not known here, the record of the volume holds it. But the cut lies as near to the limit as an
        # escape lets it, and what needs no escape has none.
        needless = any(_PLAIN.match(chr(int(pair, 16))) for pair in re.findall("=(..)", start))
        return len(label) > MAX_LABEL_BYTES - len("=HH") and not needless
    if "=" not in label:
        return label not in _RESERVED - {NONE_LABEL}
    try:
        return label_of(_unescape(label)) == label
    except UnicodeDecodeError:
        return False


def _unescape(label: str) -> str:
    return re.sub(rb"=([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), label.encode()).decode()
