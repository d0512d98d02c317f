"""Damage as files meet it: cut, flipped, overwritten, and values that are not what they were."""

import json
from typing import Any

from hypothesis import strategies as st

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -1, 0, 1e308, -0.0]),
    st.text(max_size=5),
    st.sampled_from(["", "../../x", "\0", "</script>", "\x1b[31m", "\udcff", "yesterday"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)
"""Values that few fields have a use for."""


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content of a file, cut, with a bit flipped, or with bytes in place of others."""
    at = draw(st.integers(0, max(0, len(content) - 1)))
    kind = draw(st.sampled_from(["cut", "flip", "insert"]))
    if kind == "cut":
        return content[:at]
    if kind == "insert":
        return content[:at] + draw(st.binary(min_size=1, max_size=4)) + content[at:]
    return content[:at] + bytes([content[at] ^ (1 << draw(st.integers(0, 7)))]) + content[at + 1 :]


@st.composite
def misvalued(draw: st.DrawFn, tree: Any) -> Any:
    """Plain values as they were, but for one key or member that is odd, lost or not known."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 3)):
        key = draw(st.sampled_from(sorted(tree)))
        if draw(st.integers(0, 3)):
            return {**tree, key: draw(misvalued(tree[key]))}
        rest = {name: value for name, value in tree.items() if name != key}
        return draw(st.sampled_from([rest, {**tree, "unknown": 1}]))
    if isinstance(tree, list) and tree and draw(st.integers(0, 3)):
        return [draw(misvalued(tree[0])), *tree[1:]]
    return draw(ODD)


@st.composite
def damaged_json(draw: st.DrawFn, content: bytes) -> bytes:
    """A JSON file, or one of JSON lines, after any of these."""
    if draw(st.booleans()):
        return draw(damaged(content))
    *lines, last = content.rstrip(b"\n").split(b"\n") if content.count(b"\n{") else [content]
    odd = json.dumps(draw(misvalued(json.loads(last)))).encode() + b"\n"
    return b"".join(line + b"\n" for line in lines) + odd
