"""Store URLs, key ranges and table settings: what is taken and what is refused, in one line."""

from __future__ import annotations

import pytest

from hbimg.errors import ConfigError
from hbimg.rowkeys import KeyRange
from hbimg.store import Family, TableSettings, open_store
from hbimg.store.local import LocalStore
from hbimg.store.memory import MemoryStore
from hbimg.store.settings_json import settings_from_json, settings_to_json


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "local:///"),
        ("/data/store", "local:///"),
        ("hdfs://x/y", "local:///"),
        ("local:", "three slashes"),
        ("local:relative", "three slashes"),
        ("local://folder", "three slashes"),
        ("local://host/folder", "three slashes"),
        ("local://[/x", "no URL"),
        ("local:///a#b", "%23"),
        ("local:///a%00b", "%25"),
        ("local:///a?color=blue", "'color'.*wait_s"),
        ("local:///a?wait_s", "number"),
        ("local:///a?wait_s=soon", "'soon'"),
        ("local:///a?wait_s=0", "above 0"),
        ("local:///a?wait_s=-1", "above 0"),
        ("local:///a?wait_s=nan", "above 0"),
        ("local:///a?wait_s=inf", "above 0"),
        ("local:///a?map_bytes=1.5", "'1.5'"),
        ("local:///a?map_bytes=1" + "0" * 30, "at most"),
        ("local:///a?servers=", "name:slots"),
        ("local:///a?servers=a", "name:slots"),
        ("local:///a?servers=a:0", "1 to 1024 slots"),
        ("local:///a?servers=a:1,a:2", "each server comes once"),
        ("local:///a?servers=a:1&link_bytes_per_s=0", "above 0"),
        ("local:///a?link_bytes_per_s=1e6", "give servers="),
        ("memory:x", "memory:"),
        ("memory:?wait_s=1", "memory:"),
    ],
)
def test_urls_that_are_refused(url, word):
    with pytest.raises(ConfigError, match=word) as caught:
        open_store(url)
    assert "\n" not in str(caught.value)


def test_urls_that_open(tmp_path):
    with open_store("memory:") as store:
        assert isinstance(store, MemoryStore)
        assert open_store("memory:") is not store
    with open_store(f"local://{tmp_path}/with%20space%3F?wait_s=0.5&map_bytes=3000000") as store:
        assert isinstance(store, LocalStore)
        assert store.path == tmp_path / "with space?"
        assert store.tables() == []


def test_key_range_holds_from_start_up_to_stop():
    some = KeyRange(b"b", b"d")
    assert [row for row in (b"a", b"b", b"b\0", b"c\xff", b"d") if row in some] == [b"b", b"b\0", b"c\xff"]
    assert b"" in KeyRange()
    assert b"\xff" * 9 in KeyRange(b"a")
    for start, stop, empty in ((b"", b"", 0), (b"a", b"", 0), (b"a", b"a", 1), (b"b", b"a", 1), (b"a", b"a\0", 0)):
        assert KeyRange(start, stop).is_empty == bool(empty)


def test_key_range_intersect():
    assert KeyRange(b"a", b"c").intersect(KeyRange(b"b")) == KeyRange(b"b", b"c")
    assert KeyRange().intersect(KeyRange()) == KeyRange()
    assert KeyRange(b"a", b"b").intersect(KeyRange(b"c", b"d")).is_empty


def test_key_range_of_a_terminated_prefix():
    assert KeyRange.of_prefix(b"adhd,sub-01!") == KeyRange(b"adhd,sub-01!", b'adhd,sub-01"')


def test_settings_come_back_from_json():
    given = TableSettings((Family("m", "gz", "fast_diff", "about"), Family("i")), (b"a,\xff", b"b"), {"A": "b"})
    assert settings_from_json(settings_to_json(given)) == given


@pytest.mark.parametrize(
    "wrong",
    [
        {"families": ()},
        {"families": (Family("m"), Family("m", "gz"))},
        {"families": tuple(Family(f"f{number}") for number in range(17))},
        {"split_points": (b"b", b"a")},
        {"split_points": (b"a", b"a")},
        {"split_points": (b"", b"a")},
        {"split_points": (b"a\0",)},
        {"split_points": (b"a" * 401,)},
    ],
)
def test_settings_that_are_refused(wrong):
    with pytest.raises(ConfigError):
        TableSettings(**wrong)


@pytest.mark.parametrize("name", ["", "a:b", "!settings", "ä", "a b", "x" * 33, "m\n", "-"])
def test_family_names_that_are_refused(name):
    with pytest.raises(ConfigError, match="family name"):
        Family(name)
