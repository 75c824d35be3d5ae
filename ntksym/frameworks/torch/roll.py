"""Loops over identical blocks, found in the flat graph by its own repetition.

Copies are alike if their operations, numbers and shapes agree, their parameters are fresh, and each value they read is
made in the copy, handed on by the copy before, or the same for all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, groupby
from typing import Any

from ntksym.frameworks.torch.graph import Buffer, Carry, Graph, Item, Loop, Parameter, Ref, Step, arguments


def rolled(graphs: Sequence[Graph]) -> list[tuple[Item, ...]]:
    """The steps of each graph as a tree: a loop wherever copies of a block with parameters follow each other.

    Graphs of the same operations (the same network at other widths) are cut alike: only what repeats in all of them
    is a loop, so that a width that happens to be that of the input at one size does not count.
    """
    alike: dict[tuple[str, ...], list[Graph]] = defaultdict(list)
    for graph in graphs:
        alike[tuple(step.op for step in graph.steps)].append(graph)
    keys = {ops: list(zip(*([_key(s) for s in g.steps] for g in same), strict=True)) for ops, same in alike.items()}
    return [_Roller(g, keys[tuple(step.op for step in g.steps)]).items(0, len(g.steps)) for g in graphs]


class _Roller:
    def __init__(self, graph: Graph, keys: Sequence[Any]) -> None:
        self.steps, self.keys = graph.steps, keys
        self.refs = [[ref.id for ref in arguments(step, Ref)] for step in graph.steps]
        self.users: dict[int, list[int]] = defaultdict(list)
        for step, refs in zip(graph.steps, self.refs, strict=True):
            for ref in refs:
                self.users[ref].append(step.id)
        self.users[graph.output].append(len(graph.steps))
        self.inside = 0

    def items(self, low: int, high: int) -> tuple[Item, ...]:
        """The tree of a range of steps: the loop that saves most, and what stands before and after it.

        Where a repetition can be cut into copies at several places, the cut that hands on the fewest values holds.
        """
        for _, same in groupby(self.candidates(low, high), lambda found: found[:2]):
            cuts = [
                (len(carries), start, period, times, carries)
                for _, period, start, times in same
                if (carries := self.carries(start, period, times))
            ]
            if cuts:
                _, start, period, times, carries = min(cuts)
                loop = self.loop(start, period, times, carries)
                return (*self.items(low, start), loop, *self.items(start + period * times, high))
        return self.steps[low:high]

    def candidates(self, low: int, high: int) -> list[tuple[int, int, int, int]]:
        """(steps saved, negative; period; start; times) of repetitions of operations, those that save most first."""
        found = []
        for period in range(1, (high - low) // 2 + 1):
            run = low
            for i in range(low, high - period + 1):
                if i < high - period and self.keys[i] == self.keys[i + period]:
                    continue
                for start in range(run, min(run + period, i - period + 1)):
                    times = (i + period - start) // period
                    found.append((-(times - 1) * period, period, start, times))
                run = i + 1
        return sorted(found)

    def carries(self, start: int, period: int, times: int) -> list[tuple[int, int]] | None:
        """The (first value, next value) pairs that the copies hand on; None if they are not copies of one block."""
        pairs: dict[tuple[int, int], None] = {}
        fresh = False
        for i in range(start, start + period):
            for names in zip(*(self.names(i + j * period) for j in range(times)), strict=True):
                fresh = True
                if len(set(names)) < times:
                    return None
            for read in zip(*(self.refs[i + j * period] for j in range(times)), strict=True):
                first, second = read[0], read[1]
                if first >= start:
                    expected = [first + j * period for j in range(times)]
                elif second < start:
                    expected = [first] * times
                else:
                    expected = [first, *(second + j * period for j in range(times - 1))]
                    pairs[first, second] = None
                if list(read) != expected:
                    return None
        ends = {end for _, end in pairs}
        last, stop = start + (times - 1) * period, start + times * period
        for i in range(start, stop):
            outside = [user for user in self.users[i] if user >= stop]
            if outside and (i < last or i - last + start not in ends):
                return None
        return list(pairs) if fresh and pairs else None

    def names(self, i: int) -> list[str]:
        return [parameter.name for parameter in arguments(self.steps[i], Parameter)]

    def loop(self, start: int, period: int, times: int, carries: list[tuple[int, int]]) -> Loop:
        inside = {}
        for pair in carries:
            self.inside -= 1
            inside[pair] = self.inside
        copies = {
            name: tuple(self.names(i + j * period)[k] for j in range(times))
            for i in range(start, start + period)
            for k, name in enumerate(self.names(i))
        }
        handed = {
            (i, k): inside[first, second]
            for i in range(start, start + period)
            for k, (first, second) in enumerate(zip(self.refs[i], self.refs[i + period], strict=True))
            if (first, second) in inside
        }
        starts = {first: inside[first, second] for first, second in carries}
        body = tuple(_handed(item, handed, starts) for item in self.items(start, start + period))
        ends = tuple(Carry(a, inside[a, b], b, b + (times - 1) * period) for a, b in carries)
        return Loop(times, body, ends, tuple(copies.items()))


def _handed(item: Item, handed: dict[tuple[int, int], int], starts: dict[int, int]) -> Item:
    """An item of a body that reads the loop's carries where it read what the copy before hands on.

    ``handed`` says which: by step, and by the place among its references. A loop inside takes what it starts with.
    """
    if isinstance(item, Loop):
        carries = tuple(replace(carry, start=starts.get(carry.start, carry.start)) for carry in item.carries)
        return replace(item, body=tuple(_handed(i, handed, starts) for i in item.body), carries=carries)
    places = count()

    def change(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(change(part) for part in value)
        if isinstance(value, Ref):
            new = handed.get((item.id, next(places)), value.id)
            return value if value.id < 0 else Ref(new)
        return value

    return replace(item, args=tuple((name, change(value)) for name, value in item.args))


def _key(step: Step) -> Any:
    """What must agree between copies: all but which values are read, and the names of parameters."""

    def blank(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(blank(part) for part in value)
        if isinstance(value, Ref):
            return "ref"
        if isinstance(value, Parameter):
            return ("parameter", value.shape, value.trainable)
        return ("buffer", value.shape) if isinstance(value, Buffer) else value

    return (step.op, tuple((name, blank(value)) for name, value in step.args), step.shape)
