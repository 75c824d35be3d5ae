"""The language: what a user writes an architecture in, and what is recorded of it."""

# mypy: implicit-reexport
# ruff: noqa: F401

from types import ModuleType as _Module

from ntksym.language import printing, printing_latex
from ntksym.language.activations import Activation, activation
from ntksym.language.dims import Axis, Dim, Size, dim, dims, fixed
from ntksym.language.interpret import draw, run, values
from ntksym.language.layers import (
    attention,
    avg_pool,
    batchnorm,
    bias,
    conv,
    dense,
    embedding,
    flatten,
    gain,
    global_avg_pool,
    glu,
    graph_conv,
    layernorm,
    lora,
    mlp_block,
    moe,
    positional,
    readout,
    residual,
    rmsnorm,
    tied_readout,
)
from ntksym.language.layers_recurrent import gru, lstm, rnn, ssm
from ntksym.language.loops import repeat, scan
from ntksym.language.ops import (
    constant,
    contract,
    dropout,
    linear,
    lookup,
    map,
    mask,
    matmul,
    mix,
    normalise,
    pool,
    rotate,
    softmax,
    top_k,
    vector,
    weight,
)
from ntksym.language.ops_axes import as_axis, broadcast, merge, patches, pick, relabel, shift, split
from ntksym.language.ops_checks import operations
from ntksym.language.program import Block, Node, Program
from ntksym.language.serial import program_from_json
from ntksym.language.trace import Architecture, Value, Weight, program
from ntksym.language.types import Graph, Image, InputType, MatrixType, Sequence, Tokens, Type, Vector

__all__ = [name for name, thing in globals().items() if name[0] != "_" and not isinstance(thing, _Module)]
