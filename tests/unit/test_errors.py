"""The tree drawn in `hbimg.errors` is the tree of the code."""

from __future__ import annotations

import inspect
import re

from hbimg import errors


def _classes() -> list[type[errors.HbimgError]]:
    return [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.HbimgError)]


def _drawn_parents() -> dict[str, str | None]:
    """Class name to the name of its parent, as the module docstring draws it."""
    stack: list[tuple[int, str]] = []
    parents: dict[str, str | None] = {}
    for line in inspect.getdoc(errors).splitlines():
        match = re.match(r"^([ │├└─]*)([A-Z]\w*Error)\b", line)
        if not match or "`" in line:
            continue
        depth, name = len(match[1]), match[2]
        while stack and stack[-1][0] >= depth:
            stack.pop()
        parents[name] = stack[-1][1] if stack else None
        stack.append((depth, name))
    return parents


def test_drawing_is_the_tree():
    code = {c.__name__: c.__mro__[1].__name__ for c in _classes()}
    code["HbimgError"] = None
    assert _drawn_parents() == code


def test_every_error_says_what_it_means():
    for error_class in _classes():
        assert error_class.__doc__, error_class
