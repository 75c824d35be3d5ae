"""Ensembles: a statistic of many networks, averaged; reproducible from one seed, resumable, in bounded memory."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from ntksym._chunks import map_chunks, with_bar
from ntksym._lazy import lazy
from ntksym.errors import SamplingError
from ntksym.sampling.accumulators import Moments
from ntksym.sampling.chunks import Statistic, Task, chunk_size, moments_of, plan
from ntksym.sampling.estimates import Estimate
from ntksym.sampling.network import Network

jax = lazy("jax")

SCHEMA = "ntksym.ensemble/1"
SECONDS_BETWEEN_SAVES = 5.0


def ensemble(
    network: Network,
    samples: int,
    inputs: Any,
    statistic: Statistic,
    *,
    seed: int = 0,
    sigmas: Mapping[str, float] | None = None,
    covariance: bool = False,
    memory: int = 2**28,
    chunk: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    scheduler: Any = None,
    progress: bool = False,
) -> Estimate:
    """A statistic averaged over ``samples`` networks. The answer depends on the seed, not on how it is computed.

    Args:
        inputs: given to the statistic as they are: an array, or any nest of arrays.
        statistic: ``statistic(network, weights, inputs, key)`` gives an array or a dict of arrays for one network;
            it must be traceable by JAX. Ready ones stand in ``statistics`` and ``tangents``.
        sigmas: values of the sigma symbols, as for ``network.init``.
        covariance: accumulate the covariance of all entries of the statistic too.
        memory: bytes that a chunk of networks may use while it is computed.
        chunk: networks in one call, at most; by default as many as are fast, and fit into ``memory``.
        checkpoint: a file (.npz) that the state is written to every few seconds, and when the run ends or breaks
            off. If it exists, the run goes on from it, also to a larger number of samples.
        scheduler: None, "dask", the address of a Dask scheduler, or an executor; see ``ntksym.sampling.map_chunks``.
        progress: show a bar, on a terminal only.

    Networks that give nan or infinity are left out, counted in ``Estimate.rejected``, and warned of.
    """
    if samples < 1 or memory < 1 or (chunk is not None and chunk < 1):
        raise SamplingError(f"samples={samples}, memory={memory} and chunk={chunk} must be positive")
    network.check_sigmas(sigmas or {})
    # as numbers of this process; a statistic may read any nest of arrays
    inputs = jax.tree.map(np.asarray, inputs)
    task = Task(network, inputs, statistic, seed, dict(sigmas or {}), covariance)
    shapes = task.shapes()
    length = sum(int(np.prod(shape)) for _, shape in shapes)
    done, groups = 0, Moments.empty(length, products=covariance)
    file = None if checkpoint is None else Path(checkpoint)
    identity = _identity(task, shapes)
    if file is not None and file.exists():
        done, groups = load_state(file, identity)
        if done > samples:
            raise SamplingError(f"{file} already holds {done} samples, more than the {samples} asked for")
    if done < samples:
        chunks = list(plan(done, samples, chunk_size(task, samples - done, memory, chunk)))
        results = map_chunks(moments_of, ((task, *each) for each in chunks), scheduler)
        shown = with_bar(results, len(chunks), progress, "networks")
        saved = monotonic()
        try:
            for (start, size, _), (group, found) in zip(chunks, shown, strict=True):
                groups, done = groups.merge_at(group, found), min(start + size, samples)
                if file is not None and monotonic() - saved > SECONDS_BETWEEN_SAVES:
                    save_state(file, identity, done, groups)
                    saved = monotonic()
        finally:
            if file is not None:
                save_state(file, identity, done, groups)
    estimate = Estimate.of(groups, shapes, samples, seed)
    if estimate.rejected:
        warnings.warn(
            f"{estimate.rejected} of {samples} networks gave nan or infinity and are left out of all averages",
            RuntimeWarning,
            stacklevel=2,
        )
    return estimate


# --- state on disk ---------------------------------------------------------------------------------------


def _identity(task: Task, shapes: Any) -> str:
    """A digest of all that the numbers depend on: an estimate is never continued with another question."""
    statistic = task.statistic
    name = getattr(statistic, "__qualname__", None)
    described = repr(statistic) if name is None else f"{statistic.__module__}.{name}"
    leaves = jax.tree.leaves(task.inputs)
    data = [(leaf.shape, str(leaf.dtype), sha256(np.ascontiguousarray(leaf).tobytes()).hexdigest()) for leaf in leaves]
    parts = (task.network.identity, described, sorted(task.sigmas.items()), task.seed, task.covariance, shapes, data)
    return sha256(repr(parts).encode()).hexdigest()


def save_state(file: Path, identity: str, done: int, groups: Moments) -> None:
    """The state of an ensemble after ``done`` samples, written at once or not at all."""
    meta = json.dumps({"schema": SCHEMA, "identity": identity, "samples": done})
    new = file.with_name(file.name + ".new")
    with open(new, "wb") as stream:
        np.savez(stream, meta=np.array(meta), **groups.to_arrays())
    os.replace(new, file)


def load_state(file: Path, identity: str) -> tuple[int, Moments]:
    """The number of samples and the moments in a file; raises SamplingError if it belongs to another ensemble."""
    with np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    meta = json.loads(str(arrays.pop("meta", "{}")))
    if meta.get("schema") != SCHEMA:
        raise SamplingError(f"{file} is not the state of an ensemble; choose another file for the checkpoint")
    if meta["identity"] != identity:
        raise SamplingError(
            f"{file} belongs to another ensemble (network, statistic, inputs or seed differ); choose another file"
        )
    return meta["samples"], Moments.from_arrays(arrays)
