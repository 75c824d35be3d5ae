"""Handwritten digits (the 8 x 8 images that come with scikit-learn), in any shape that an input asks for."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ntksym._lazy import lazy

datasets = lazy("sklearn.datasets")

SIDE = 8
Array = NDArray[Any]


@lru_cache(maxsize=1)
def digits() -> tuple[Array, Array]:
    """The images (1797, 8, 8), with mean 0 and variance 1 over all pixels, and the digit that each shows."""
    bunch = datasets.load_digits()
    images = bunch.images.astype(np.float64)
    return (images - images.mean()) / images.std(), bunch.target.astype(np.int64)


def shown(images: Array, kind: str, shape: tuple[int, ...]) -> Array:
    """Every image in the shape of one input: a vector of pixels, a sequence of rows, an image with channels."""
    if kind == "vector":
        return resized(images.reshape(len(images), 1, -1), 1, shape[0])[:, 0]
    if kind == "sequence":
        return resized(images, shape[0], shape[1])
    return np.repeat(resized(images, shape[0], shape[1])[..., None], shape[2], axis=-1)


def resized(images: Array, height: int, width: int) -> Array:
    """Images of height x width, by linear interpolation along either side."""
    return _along(_along(images, height, 1), width, 2)


def _along(images: Array, length: int, axis: int) -> Array:
    old = images.shape[axis]
    places = np.linspace(0, old - 1, length)
    below = np.clip(np.floor(places).astype(int), 0, max(old - 2, 0))
    above = np.minimum(below + 1, old - 1)
    part = (places - below).reshape([-1 if i == axis else 1 for i in range(images.ndim)])
    blend: Array = (1 - part) * images.take(below, axis) + part * images.take(above, axis)
    return blend
