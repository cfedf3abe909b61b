"""What must hold of row keys, for every key."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from hbimg.errors import RowKeyError
from hbimg.model import LEVELS, VolumeKey
from hbimg.rowkeys import (
    MAX_ROW_BYTES,
    KeyRange,
    RowKey,
    RowKeyScheme,
    RowKind,
    check_generation,
    check_label,
    label_of,
    new_generation,
    run_row,
    runs_range,
    settings_row,
    text_of,
)
from hbimg.rowkeys.scheme import MAX_FILE_PARTS, MAX_FILES, MAX_FRAMES

LMDB_MAX_KEY_BYTES = 511
LONGEST_QUALIFIER = 64

plain_texts = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=64)
#: Texts that are close to one another and to our separators.
near_texts = st.text("a0-.!,=~_ /ä", min_size=1, max_size=4)
any_texts = st.one_of(
    plain_texts, near_texts, st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=90)
)
labels = st.one_of(
    any_texts.map(label_of), st.just("-"), st.sampled_from(["sub-1", "sub-01", "sub-010", "Slice2", "Slice10"])
)
keys = st.builds(VolumeKey, labels, labels, labels, labels)
schemes = st.sampled_from([RowKeyScheme(level) for level in LEVELS])
generations = st.text("0123456789abcdefghijklmnopqrstuv", min_size=8, max_size=8)
numbers = st.one_of(st.integers(0, MAX_FRAMES - 1), st.sampled_from([0, MAX_FRAMES - 1]))
parts = st.one_of(st.integers(0, MAX_FILE_PARTS - 1), st.just(MAX_FILE_PARTS - 1))

row_keys = st.one_of(
    st.builds(RowKey, keys, st.just(RowKind.VOLUME)),
    st.builds(RowKey, keys, st.just(RowKind.FILE), generations, numbers, parts),
    st.builds(RowKey, keys, st.just(RowKind.FRAME), generations, numbers),
    st.builds(RowKey, keys, st.just(RowKind.MANIFEST), name=labels),
    st.builds(RowKey, keys, st.just(RowKind.PIECE), generations, numbers, name=labels),
)


def encode(scheme, row):
    match row.kind:
        case RowKind.VOLUME:
            return scheme.volume(row.volume)
        case RowKind.FILE:
            return scheme.file(row.volume, row.generation, row.number, row.part)
        case RowKind.FRAME:
            return scheme.frame(row.volume, row.generation, row.number)
        case RowKind.MANIFEST:
            return scheme.manifest(row.volume, row.name)
        case RowKind.PIECE:
            return scheme.piece(row.volume, row.name, row.generation, row.number)


# -- labels -----------------------------------------------------------------------------------------------------------


@given(any_texts, any_texts)
@example("a=41", "aA")
@example("-", "=2D")
@example("x" * 65, "x" * 66)
@example(".", "..")
def test_labels_are_injective(one, other):
    assert (label_of(one) == label_of(other)) == (one == other)


@given(any_texts)
@example("-")
@example(".")
@example("..")
@example("ä" * 64)
@example("=" * 22)
def test_labels_are_canonical_and_come_back(text):
    label = label_of(text)
    assert check_label(label) == label
    assert 1 <= len(label.encode("ascii")) <= 64
    assert set(label) <= set(string.ascii_letters + string.digits + "._-=~")
    assert label not in ("-", ".", "..")
    if "~" in label:
        assert text_of(label) is None
    else:
        assert text_of(label) == text


@given(plain_texts)
def test_plain_texts_are_their_own_labels(text):
    assume(text not in ("-", ".", ".."))
    assert label_of(text) == text


@given(st.text(min_size=65, max_size=200).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)))
def test_long_texts_are_hashed_to_labels_of_their_own(text):
    label = label_of(text)
    assert "~" in label
    assert len(label) <= 64
    # `~` is escaped in every other label, so none of those equals a hashed one, its own text's included.
    assert label_of(label) != label


@given(st.text(string.ascii_letters + "._-=~0189AF\n", max_size=70))
@example("=41")
@example("=C3")
@example("a~" + "0" * 20)
@example("=41" + "a" * 40 + "~" + "0" * 20)
def test_a_checked_label_is_one_that_label_of_gives(label):
    try:
        check_label(label)
    except RowKeyError:
        return
    if "~" not in label and label != "-":
        assert label_of(text_of(label)) == label


@pytest.mark.parametrize("text", ["", "\udcff", "a\ud800"])
def test_texts_that_have_no_label(text):
    with pytest.raises(RowKeyError):
        label_of(text)


@pytest.mark.parametrize(
    "label", ["", ".", "..", "a b", "a\n", "a,b", "a!b", "=2d", "=", "=4", "=41", "=FF", "~", "a~b", "x" * 65]
)
def test_labels_that_are_none(label):
    for use in (check_label, text_of, RowKeyScheme().range_of, run_row):
        with pytest.raises(RowKeyError):
            use(label)


def test_none_has_a_label_of_its_own():
    assert label_of(None) == "-"
    assert text_of("-") is None
    assert label_of("-") == "=2D"


# -- rows -------------------------------------------------------------------------------------------------------------


@given(schemes, row_keys)
def test_rows_come_back(scheme, row):
    assert scheme.decode(encode(scheme, row)) == row


@given(schemes, row_keys)
def test_rows_fit_every_store(scheme, row):
    encoded = encode(scheme, row)
    assert len(encoded) <= MAX_ROW_BYTES
    assert b"\0" not in encoded
    assert len(encoded + b"\0" + b"q" * LONGEST_QUALIFIER) <= LMDB_MAX_KEY_BYTES


def test_the_longest_row_fits():
    longest = "x" * 64
    row = RowKeyScheme().piece(VolumeKey(*[longest] * 4), longest, "v" * 8, MAX_FRAMES - 1)
    assert len(row) == 342
    assert MAX_ROW_BYTES + 1 + LONGEST_QUALIFIER <= LMDB_MAX_KEY_BYTES


@given(schemes, keys, keys)
def test_volumes_sort_as_their_labels(scheme, one, other):
    assert (scheme.volume(one) < scheme.volume(other)) == (one.labels < other.labels)


@given(schemes, row_keys, row_keys)
def test_rows_of_volumes_do_not_interleave(scheme, one, other):
    assume(one.volume != other.volume)
    assert (encode(scheme, one) < encode(scheme, other)) == (one.volume.labels < other.volume.labels)


@given(schemes, row_keys)
def test_the_volumes_own_row_is_first(scheme, row):
    volume = scheme.volume(row.volume)
    assert encode(scheme, row).startswith(volume)
    assert (encode(scheme, row) == volume) == (row.kind is RowKind.VOLUME)


@given(schemes, keys, generations, labels, parts, parts)
def test_numbers_sort_as_numbers(scheme, key, generation, name, one, other):
    for row_of in (
        lambda number: scheme.frame(key, generation, number),
        lambda number: scheme.file(key, generation, number),
        lambda number: scheme.file(key, generation, 1, number),
        lambda number: scheme.piece(key, name, generation, number),
    ):
        assert (row_of(one) < row_of(other)) == (one < other)


@given(schemes, row_keys, row_keys, st.integers(0, 4))
def test_ranges_hold_their_rows_and_no_others(scheme, row, other, depth):
    """`other` is now and then a neighbour: it shares labels with `row`."""
    chosen = row.volume.labels[:depth]
    found = scheme.range_of(*chosen)
    assert encode(scheme, row) in found
    assert (encode(scheme, other) in found) == (other.volume.labels[:depth] == chosen)
    assert settings_row() not in found
    assert run_row("2024") not in found


@given(schemes, keys, st.integers(1, 4), labels)
def test_ranges_do_not_hold_neighbours(scheme, key, depth, label):
    inside = list(key.labels)
    changed = inside.copy()
    changed[depth - 1] = label
    neighbour = scheme.volume(VolumeKey(*changed))
    assert (neighbour in scheme.range_of(*inside[:depth])) == (inside == changed)
    longer = (inside[depth - 1] + "0")[:64]
    if longer != inside[depth - 1] and "~" not in longer and "=" not in longer:
        changed[depth - 1] = longer
        assert scheme.volume(VolumeKey(*changed)) not in scheme.range_of(*inside[:depth])


@given(schemes, row_keys, keys, generations, labels)
def test_ranges_within_a_volume(scheme, row, key, generation, name):
    for target in (key, row.volume):
        for chosen_generation in (generation, row.generation or generation):
            for chosen_name in (name, row.name or name):
                encoded = encode(scheme, row)
                same = target == row.volume
                of_generation = same and row.generation == chosen_generation
                of_name = same and row.name == chosen_name
                assert (encoded in scheme.frames_range(target, chosen_generation)) == (
                    of_generation and row.kind is RowKind.FRAME
                )
                assert (encoded in scheme.files_range(target, chosen_generation)) == (
                    of_generation and row.kind is RowKind.FILE
                )
                assert (encoded in scheme.result_range(target, chosen_name)) == (
                    of_name and row.kind in (RowKind.MANIFEST, RowKind.PIECE)
                )
                assert (encoded in scheme.pieces_range(target, chosen_name, chosen_generation)) == (
                    of_name and of_generation and row.kind is RowKind.PIECE
                )


@given(schemes, row_keys, row_keys)
def test_a_group_is_what_agrees_up_to_its_level(scheme, one, other):
    depth = LEVELS.index(scheme.group_level) + 1
    same = one.volume.labels[:depth] == other.volume.labels[:depth]
    assert (scheme.group_of(encode(scheme, one)) == scheme.group_of(encode(scheme, other))) == same
    assert encode(scheme, one).count(b"!") == 1


@given(labels, row_keys, schemes)
def test_the_tables_own_rows_sort_before_all_volumes(run, row, scheme):
    assert settings_row() < run_row(run) < encode(scheme, row)
    assert run_row(run) in runs_range()
    assert settings_row() not in runs_range()
    assert encode(scheme, row) not in runs_range()
    for own in (run_row(run), settings_row()):
        for use in (scheme.decode, scheme.group_of):
            with pytest.raises(RowKeyError):
                use(own)


# -- foreign bytes ----------------------------------------------------------------------------------------------------


@given(schemes, st.one_of(st.binary(max_size=60), st.text("ab,!firx0-.=~", max_size=40).map(str.encode)))
@example(RowKeyScheme(), b"a,b!c,d,\n")
@example(RowKeyScheme(), b"a,b!c,d,i00000000,000001\n")
@example(RowKeyScheme(), "a,b!c,d,i00000000,00000\u0661".encode())
@example(RowKeyScheme(), b"a,b!c,=41,")
@example(RowKeyScheme(), b"a,b!c,.,")
def test_bytes_decode_to_what_encodes_them_or_raise(scheme, row):
    decodes_or_raises(scheme, row)


@given(schemes, row_keys, st.data())
def test_a_changed_byte_gives_another_row_or_none(scheme, row, data):
    encoded = bytearray(encode(scheme, row))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.sampled_from(b"\0\n !,-.09=AFafirz~\x7f\xff"))
    decodes_or_raises(scheme, bytes(encoded))


def decodes_or_raises(scheme, row):
    """No two byte strings are the same row: what decodes encodes back to the same bytes."""
    try:
        decoded = scheme.decode(row)
    except RowKeyError:
        return
    assert encode(scheme, decoded) == row


@given(schemes, row_keys, st.data())
def test_cut_rows_are_other_rows_or_none(scheme, row, data):
    encoded = encode(scheme, row)
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    rows_before = [scheme.volume(row.volume)] + ([scheme.manifest(row.volume, row.name)] if row.name else [])
    if cut in rows_before:
        return
    with pytest.raises(RowKeyError):
        scheme.decode(cut)


@given(row_keys, schemes, schemes)
def test_another_group_level_does_not_read_a_row(row, one, other):
    assume(one != other)
    with pytest.raises(RowKeyError):
        other.decode(encode(one, row))


@given(schemes, keys, generations)
def test_numbers_out_of_range_are_refused(scheme, key, generation):
    for make in (
        lambda: scheme.frame(key, generation, -1),
        lambda: scheme.frame(key, generation, MAX_FRAMES),
        lambda: scheme.file(key, generation, MAX_FILES),
        lambda: scheme.file(key, generation, 0, MAX_FILE_PARTS),
        lambda: scheme.piece(key, "r", generation, MAX_FRAMES),
        lambda: scheme.frame(key, generation + "0", 0),
        lambda: scheme.frame(key, generation[:7] + "w", 0),
        lambda: scheme.range_of("a", "b", "c", "d", "e"),
        lambda: RowKeyScheme("slice"),
    ):
        with pytest.raises(RowKeyError):
            make()


def test_generations_are_random_and_checked():
    made = {new_generation() for _ in range(200)}
    assert len(made) == 200
    assert {check_generation(generation) for generation in made} == made


# -- ranges -----------------------------------------------------------------------------------------------------------

bounds = st.binary(max_size=3)


@given(bounds, bounds, bounds, bounds, st.binary(min_size=1, max_size=4))
def test_intersection_holds_what_both_hold(a, b, c, d, row):
    one, other = KeyRange(a, b), KeyRange(c, d)
    assert (row in one.intersect(other)) == (row in one and row in other)
    if one.is_empty:
        assert row not in one
