"""The drawing of a program: its operations from top to bottom, a frame around the body of every loop, as SVG.

Boxes are ranked by the longest path to them. An edge that skips ranks gets an invisible box in each of them, so that
nothing is drawn over it; boxes are ordered by the mean of their neighbours (the barycentre method of Sugiyama).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from statistics import fmean

from ntksym.language.printing import bound, expression, header, labels
from ntksym.language.program import Block, Node, Program
from ntksym.records.escapes import display_width

LETTER, LINE = 7.3, 24.0
"""What a letter of the monospaced type takes, and the height of a box."""
GAP, PAD, FALL, THIN = 22.0, 16.0, 26.0, 6.0
"""Between boxes of a rank; inside of a frame; between ranks; the room for a passing edge."""
SWEEPS = 8
RETURN = -1
HIDDEN = ("parameter", "result")
"""Parameters stand in the operation that reads them; results of loops are edges."""

_HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
    'height="{height:.0f}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="12">'
)


@dataclass
class _Box:
    """A box, at its place once it has one; ``inner`` is the body of a loop, a box without text lets an edge pass."""

    text: str
    width: float
    height: float
    inner: _Layout | None = None
    x: float = 0.0
    y: float = 0.0

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass
class _Layout:
    """Boxes by key, and edges as chains of keys, one rank further at each link."""

    boxes: dict[object, _Box]
    chains: list[list[object]]
    width: float = 0.0
    height: float = 0.0
    ranks: list[list[object]] = field(default_factory=list)


def drawing(program: Program) -> str:
    """The program as SVG, black lines on a transparent ground."""
    laid = _laid(program.block, labels(program))
    lines = [_HEAD.format(width=laid.width + 2 * PAD, height=laid.height + 2 * PAD), *_drawn(laid, PAD, PAD), "</svg>"]
    return "\n".join(lines)


# --- layout -------------------------------------------------------------------------------------------------------


def _laid(block: Block, names: Mapping[int, str], entering: Mapping[int, str] | None = None) -> _Layout:
    """The boxes of a block at their places; ``entering`` says what the arguments of a loop's body stand for."""
    loops = {node.id: node.inputs[0] for node in block.nodes if node.op == "result"}
    boxes: dict[object, _Box] = {}
    for node in block.nodes:
        if node.op not in HIDDEN:
            boxes[node.id] = _box(node, names, entering or {})
    returned = f"return {', '.join(names[i] for i in block.outputs)}"
    boxes[RETURN] = _Box(returned, _width(returned), LINE)
    edges = [(loops.get(i, i), node.id) for node in block.nodes if node.id in boxes for i in node.inputs]
    edges += [(loops.get(i, i), RETURN) for i in block.outputs]
    return _placed(boxes, [edge for edge in dict.fromkeys(edges) if edge[0] in boxes])


def _box(node: Node, names: Mapping[int, str], entering: Mapping[int, str]) -> _Box:
    name = names[node.id]
    if node.block is None:
        text = f"{name} := {entering[node.id]}" if node.id in entering else name
        if node.op == "input":
            text = f"{name}: {node.type}"
        elif node.op not in ("carry", "element"):
            text = f"{name} = {expression(node, [names[i] for i in node.inputs])}"
        return _Box(text, _width(text), LINE)
    outside = (text for _, text in bound(node, dict(names)))
    inner = _laid(node.block, names, dict(zip(node.block.arguments, outside, strict=True)))
    text = f"{name} = {header(node)}"
    return _Box(text, max(inner.width, _width(text)) + 2 * PAD, inner.height + LINE + 2 * PAD, inner)


def _width(text: str) -> float:
    return LETTER * display_width(text) + 2 * GAP / 3


def _placed(boxes: dict[object, _Box], edges: Sequence[tuple[object, object]]) -> _Layout:
    rank: dict[object, int] = {}
    for key in boxes:  # in the order of tracing, so that sources come first
        rank[key] = max((rank[a] + 1 for a, b in edges if b == key), default=0)
    chains = []
    for a, b in edges:
        passing: list[object] = [(a, b, r) for r in range(rank[a] + 1, rank[b])]
        boxes |= {key: _Box("", THIN, LINE) for key in passing}
        rank |= {key: key[2] for key in passing if isinstance(key, tuple)}
        chains.append([a, *passing, b])
    layout = _Layout(boxes, chains)
    ranks: defaultdict[int, list[object]] = defaultdict(list)
    for key in boxes:
        ranks[rank[key]].append(key)
    layout.ranks = [ranks[r] for r in range(max(rank.values()) + 1)]
    _spread(layout)
    return layout


def _spread(layout: _Layout) -> None:
    """Gives every box its place."""
    above, below = defaultdict(list), defaultdict(list)
    for chain in layout.chains:
        for a, b in pairwise(chain):
            above[b].append(a)
            below[a].append(b)
    for row in layout.ranks:
        _packed(layout.boxes, row, dict.fromkeys(row, 0.0))
    for sweep in range(SWEEPS):
        near = above if sweep % 2 == 0 else below
        for row in layout.ranks if near is above else reversed(layout.ranks):
            wanted = {key: fmean(layout.boxes[k].middle for k in near[key]) for key in row if near[key]}
            middles = {key: wanted.get(key, layout.boxes[key].middle) for key in row}
            if sweep < SWEEPS - 2:
                row.sort(key=middles.__getitem__)
            _packed(layout.boxes, row, middles)
    left, y = min(box.x for box in layout.boxes.values()), 0.0
    for row in layout.ranks:
        tall = max(layout.boxes[key].height for key in row)
        for key in row:
            box = layout.boxes[key]
            box.x, box.y = box.x - left, y
            box.height = box.height if box.text else tall
        y += tall + FALL
    layout.width, layout.height = max(box.x + box.width for box in layout.boxes.values()), y - FALL


def _packed(boxes: Mapping[object, _Box], row: Iterable[object], middles: Mapping[object, float]) -> None:
    """Puts the boxes of a rank beside each other, in this order, as near as can be to where their middles should be."""
    groups: list[tuple[list[_Box], float]] = []
    for key in row:
        members, start = [boxes[key]], middles[key] - boxes[key].width / 2
        while groups and groups[-1][1] + _extent(groups[-1][0]) + GAP > start:  # they would overlap: move both
            before, left = groups.pop()
            push = _extent(before) + GAP
            share = len(members) / (len(before) + len(members))
            members, start = before + members, left + share * (start - push - left)
        groups.append((members, start))
    for members, x in groups:
        for box in members:
            box.x, x = x, x + box.width + GAP


def _extent(members: Sequence[_Box]) -> float:
    return sum(box.width for box in members) + GAP * (len(members) - 1)


# --- lines --------------------------------------------------------------------------------------------------------


def _drawn(layout: _Layout, x: float, y: float) -> Iterable[str]:
    for chain in layout.chains:
        yield _edge([layout.boxes[key] for key in chain], x, y)
    for box in layout.boxes.values():
        if not box.text:
            continue
        left, top = x + box.x, y + box.y
        style = 'stroke-dasharray="5 3" rx="8"' if box.inner else 'rx="5"'
        size = f'x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
        yield f'<rect {size} {style} fill="none" stroke="black"/>'
        at = f'x="{left + GAP / 3 if not box.inner else left + PAD:.1f}" y="{top + LINE * 0.68:.1f}"'
        yield f'<text {at} xml:space="preserve">{escape(box.text)}</text>'
        if box.inner:
            yield from _drawn(box.inner, left + (box.width - box.inner.width) / 2, top + LINE + PAD)


def _edge(boxes: Sequence[_Box], x: float, y: float) -> str:
    """A smooth line through the boxes it passes, from the bottom of the first to the top of the last."""
    first = boxes[0]
    parts = [f"M{x + first.middle:.1f} {y + first.y + first.height:.1f}"]
    before = y + first.y + first.height
    for box in boxes[1:]:
        top, middle = y + box.y, x + box.middle
        bend = (before + top) / 2
        parts.append(f"C{x + first.middle:.1f} {bend:.1f} {middle:.1f} {bend:.1f} {middle:.1f} {top:.1f}")
        if not box.text:
            parts.append(f"V{top + box.height:.1f}")
        first, before = box, top + box.height
    end = boxes[-1]
    tip = f"M{x + end.middle - 3:.1f} {y + end.y - 5:.1f}L{x + end.middle:.1f} {y + end.y:.1f}l3 -5"
    return f'<path d="{"".join(parts)}{tip}" fill="none" stroke="black" stroke-opacity="0.7"/>'
