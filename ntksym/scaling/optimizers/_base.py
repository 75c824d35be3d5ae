"""What an optimizer declares: the size and alignment of its update, its epsilon and its weight decay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ntksym.scaling.cones import Form


@dataclass(frozen=True)
class Entry:
    """What an optimizer sees of one parameter, as growth of typical entries.

    ``gradient`` and ``weight`` are those of the trained number itself, its multiplier not included; ``scale`` is the
    weight as rules see it that rescale updates to its norm: of order one at least where it starts at zero (their
    floor); ``rows`` and ``cols`` the shape (a vector has rows only).
    """

    gradient: Form
    weight: Form
    scale: Form
    rows: Form
    cols: Form

    @property
    def one(self) -> Form:
        """What does not grow."""
        return self.rows.cone.zero


def _nothing(entry: Entry) -> None:
    return None


@dataclass(frozen=True)
class Optimizer:
    """An update rule.

    ``update`` is the aligned entry of one update at learning rate 1; ``reason`` says why. ``epsilon`` is the size
    of what epsilon is added to (None: there is no epsilon). ``decay`` is how weight decay enters: "coupled" (its
    step is lr * decay * w), "independent" (decay * w), "l2" (added to the gradient), or None. ``follows_gradient``:
    the update is proportional to the gradient's magnitude. ``vectors`` names the optimizer used for what is not a
    matrix, where this one is defined for matrices only.
    """

    name: str
    update: Callable[[Entry], Form]
    reason: str
    epsilon: Callable[[Entry], Form | None] = _nothing
    decay: str | None = None
    follows_gradient: bool = False
    vectors: str | None = None

    def decay_rate(self, entry: Entry, lr: Form) -> Form | None:
        """The growth of weight decay under which what it does per step stays the same at every size."""
        if self.decay == "coupled":
            return -lr
        if self.decay == "independent":
            return lr.cone.zero
        if self.decay == "l2":
            return -lr if self.follows_gradient else entry.gradient - entry.weight
        return None


optimizers: dict[str, Optimizer] = {}


def register(optimizer: Optimizer) -> Optimizer:
    optimizers[optimizer.name] = optimizer
    return optimizer
