"""A short text as characters: windows of it, and the character that each window asks for."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@lru_cache(maxsize=1)
def prose() -> tuple[Array, int]:
    """The text, in small letters, as indices (the most frequent character is 0), and the number of characters."""
    text = Path(__file__).with_name("prose.txt").read_text(encoding="utf-8").lower()
    order = {character: i for i, (character, _) in enumerate(Counter(text).most_common())}
    return np.array([order[character] for character in text]), len(order)


def characters(vocab: int) -> Array:
    """The text over ``vocab`` indices; the rarest characters share the last one if they are more."""
    indices, _ = prose()
    return np.minimum(indices, vocab - 1)


def continued(text: Array, length: int) -> tuple[Array, Array]:
    """All windows of ``length`` characters, and for every place in them the next character."""
    windows = np.lib.stride_tricks.sliding_window_view(text, length + 1)
    return windows[:, :-1], windows[:, 1:]


def surrounded(text: Array, length: int) -> tuple[Array, Array]:
    """All contexts of ``length`` characters, and the character in their middle, which is left out."""
    windows = np.lib.stride_tricks.sliding_window_view(text, length + 1)
    middle = (length + 1) // 2
    return np.delete(windows, middle, axis=1), windows[:, middle]
