"""Layers: functions of primitive operations and nothing else. No analysis knows them."""

from __future__ import annotations

from ntksym.language.dims import Axis, Dim, SizeLike, as_size
from ntksym.language.ops import (
    Phi,
    contract,
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
from ntksym.language.ops_axes import as_axis, merge, patches, relabel, split
from ntksym.language.ops_checks import axes_of, axis_of, checked
from ntksym.language.source import fail
from ntksym.language.trace import Value, Weight


def required_name(name: str | None, what: str) -> str:
    if not name:
        raise fail(f'{what} makes weights and has no name; give it one, as in {what}(..., name="hidden")')
    return name


def bias(x: Value, *, name: str | None = None, sigma: str | float = "sigma_b") -> Value:
    """x + b with a trained vector b along the coordinates; zero at the start unless ``sigma`` is set."""
    x = checked(x, "ns.bias")
    return x + vector(x, required_name(name, "ns.bias"), x.type.coord, sigma=sigma, what="ns.bias")


def gain(x: Value, *, name: str | None = None) -> Value:
    """x * g with a trained vector g along the coordinates, one at the start."""
    x = checked(x, "ns.gain")
    return x * vector(x, required_name(name, "ns.gain"), x.type.coord, init="ones", what="ns.gain")


def dense(
    x: Value,
    n: SizeLike,
    *,
    name: str | None = None,
    bias: bool = True,
    init: str = "normal",
    sigma_w: str | float = "sigma_w",
    sigma_b: str | float = "sigma_b",
    index: Axis | tuple[Axis, ...] = (),
    trainable: bool = True,
) -> Value:
    """W x + b with W of shape (n, fan-in); parameters ``name.w`` and ``name.b``.

    ``index`` gives a separate W and b for each position of the named axes (experts); ``init="zeros"``
    starts W at zero; ``trainable=False`` freezes both.

    Example:
        >>> import ntksym as ns
        >>> n = ns.dims("n")
        >>> @ns.program
        ... def net(x: ns.Vector("d")):
        ...     return ns.dense(x, n, name="hidden")
        ...
        >>> print(net())
        program net:
          x = input vector                       : [d]
          hidden.w = parameter N(0, sigma_w^2/d) : (n x d)
          v1 = hidden.w @ x                      : [n]
          hidden.b = parameter N(0, sigma_b^2)   : [n]
          v2 = v1 + hidden.b                     : [n]
          return v2
    """
    x, name = checked(x, "ns.dense"), required_name(name, "ns.dense")
    w = weight(
        x,
        f"{name}.w",
        n,
        x.type.coord,
        init=init,
        sigma=sigma_w,
        index=index,
        trainable=trainable,
        what="ns.dense",
    )
    y = matmul(w, x)
    if not bias:
        return y
    return y + vector(x, f"{name}.b", n, sigma=sigma_b, index=index, trainable=trainable, what="ns.dense")


def readout(x: Value, k: SizeLike = 1, *, name: str = "readout", bias: bool = True) -> Value:
    """The output layer, a dense map to ``k`` outputs."""
    return dense(x, k, name=name, bias=bias)


def embedding(
    tokens: Value, n: SizeLike, *, name: str | None = None, vocab: SizeLike | str = "vocab"
) -> tuple[Value, Weight]:
    """The vector of every token, and the table itself (to tie a readout to it); parameter ``name.w``."""
    tokens, name = checked(tokens, "ns.embedding", tokens=True), required_name(name, "ns.embedding")
    words = Dim(vocab, large=False) if isinstance(vocab, str) else vocab
    table = weight(tokens, f"{name}.w", n, words, what="ns.embedding")
    return lookup(table, tokens), table


def positional(x: Value, axis: str | Axis | Dim, *, name: str | None = None) -> Value:
    """x plus a trained vector for each position of an axis; parameter ``name.w``."""
    x = checked(x, "ns.positional")
    found = axis_of(x, axis, "ns.positional")
    name = required_name(name, "ns.positional")
    return x + vector(x, f"{name}.w", x.type.coord, sigma=1.0, index=found, what="ns.positional")


def tied_readout(x: Value, table: Weight) -> Value:
    """Logits from the transpose of an embedding's table."""
    return matmul(table, x, transpose=True)


def layernorm(x: Value, *, name: str | None = None) -> Value:
    """Centre and normalise the coordinates; with a ``name``, then gain and bias ``name.g``, ``name.b``."""
    return _affine(normalise(x, centre=True), name, with_bias=True)


def rmsnorm(x: Value, *, name: str | None = None) -> Value:
    """Divide by the root mean square of the coordinates; with a ``name``, then a gain ``name.g``."""
    return _affine(normalise(x), name, with_bias=False)


def batchnorm(x: Value, *axes: str | Axis | Dim, name: str | None = None) -> Value:
    """Centre and normalise every coordinate over position axes; with a ``name``, then gain and bias as ``layernorm``.

    The batch must be one of the axes (all of the value's, unless some are named): an architecture with this layer is a
    function of several examples at once, such as ``ns.Sequence(32, "d_in", name="batch")``.
    """
    x, what = checked(x, "ns.batchnorm"), "ns.batchnorm"
    along, coordinate = axes_of(x, axes, what), "coordinate"
    y = normalise(merge(as_axis(x, coordinate), *along), centre=True)
    for axis in along:
        y = split(y, axis.name, axis.size)
    return _affine(merge(y, coordinate), name, with_bias=True)


def _affine(x: Value, name: str | None, with_bias: bool) -> Value:
    if name is None:
        return x
    x = gain(x, name=f"{name}.g")
    return bias(x, name=f"{name}.b") if with_bias else x


def residual(x: Value, branch: Value, scale: SizeLike = 1) -> Value:
    """x + scale * branch."""
    return linear((1, x), (scale, branch))


def conv(
    x: Value,
    n: SizeLike,
    kernel: int | tuple[int, ...] = 3,
    *,
    name: str | None = None,
    axes: tuple[str, ...] | None = None,
    stride: int = 1,
    padding: str = "same",
    bias: bool = True,
) -> Value:
    """Convolution along the position axes (or those named), with n channels; fan-in is window * channels."""
    x, name = checked(x, "ns.conv"), required_name(name, "ns.conv")
    along = axes or tuple(axis.name for axis in x.type.positions)
    extents = kernel if isinstance(kernel, tuple) else (kernel,) * len(along)
    windows = merge(patches(x, along, extents, stride, padding), "patch")
    return dense(windows, n, name=name, bias=bias)


def avg_pool(x: Value, k: int = 2, *, axes: tuple[str, ...] | None = None) -> Value:
    """The mean over windows of k positions along each axis, with stride k."""
    x = checked(x, "ns.avg_pool")
    along = axes or tuple(axis.name for axis in x.type.positions)
    return pool(patches(x, along, (k,) * len(along), stride=k, padding="valid"), "patch")


def global_avg_pool(x: Value) -> Value:
    """The mean over all positions."""
    return pool(x)


def flatten(x: Value) -> Value:
    """All positions moved into the coordinate axis."""
    return merge(x)


def attention(
    x: Value,
    heads: SizeLike,
    *,
    name: str | None = None,
    scale: SizeLike | None = None,
    kv_heads: SizeLike | None = None,
    causal: bool = True,
    rotary: bool = False,
    qk_norm: bool = False,
    bias: bool = False,
    axis: str | Axis | Dim | None = None,
    context: Value | None = None,
) -> Value:
    """Multi-head attention; parameters ``name.q.w``, ``name.k.w``, ``name.v.w``, ``name.o.w``.

    Args:
        x: queries come from it, and keys and values too unless ``context`` is given; one position axis.
        heads: number of heads H; a head has n / H coordinates.
        scale: what the logits are multiplied by; 1 / d_head by default.
        kv_heads: heads of keys and values, each shared by H / kv_heads query heads (grouped-query attention).
        causal: mask the future.
        rotary: rotate queries and keys by their position.
        qk_norm: normalise queries and keys in every head.

    Example:
        >>> import ntksym as ns
        >>> n, H = ns.dims("n H")
        >>> @ns.program
        ... def net(x: ns.Sequence("T", n)):
        ...     return ns.attention(x, H, name="attn", kv_heads=1)
        ...
        >>> for node in net().parameters:
        ...     print(node.name, node.type)
        ...
        attn.q.w (n x n)
        attn.k.w (n/H x n)
        attn.v.w (n/H x n)
        attn.o.w (n x n)
    """
    x, name = checked(x, "ns.attention"), required_name(name, "ns.attention")
    source = x if context is None else checked(context, "ns.attention")
    if not x.type.positions or not source.type.positions:
        raise fail(f"ns.attention needs a position axis to attend along; this value {x.type} has none")
    query_axis = axis_of(x, axis, "ns.attention").name if axis else x.type.positions[-1].name
    key_axis = query_axis if context is None else source.type.positions[-1].name
    n, H = x.type.coord, as_size(heads)
    K = H if kv_heads is None else as_size(kv_heads)
    d_head = n / H
    group = H / K

    def project(value: Value, part: str, count: SizeLike) -> Value:
        return dense(value, as_size(count) * d_head, name=f"{name}.{part}", bias=bias)

    q = split(project(x, "q", H), "head", K)
    k = split(project(source, "k", K), "head", K)
    v = split(project(source, "v", K), "head", K)
    if not group.is_one:
        q = split(q, "group", group)
    if qk_norm:
        q, k = normalise(q), normalise(k)
    if rotary:
        q, k = rotate(q, query_axis), rotate(k, key_axis)
    other = f"{key_axis}'"
    k, v = relabel(k, key_axis, other), relabel(v, key_axis, other)
    logits = contract(q, k) * (1 / d_head if scale is None else scale)
    if causal and context is None:
        logits = mask(logits, query_axis, other)
    out = mix(softmax(logits, other), v, other)
    joined_heads = merge(out, "head") if group.is_one else merge(out, "head", "group")
    return dense(joined_heads, n, name=f"{name}.o", bias=bias)


def mlp_block(x: Value, n_ff: SizeLike, *, name: str | None = None, phi: Phi = "gelu", bias: bool = True) -> Value:
    """phi between an up- and a down-projection; parameters ``name.up``, ``name.down``."""
    x, name = checked(x, "ns.mlp_block"), required_name(name, "ns.mlp_block")
    return dense(map(phi, dense(x, n_ff, name=f"{name}.up", bias=bias)), x.type.coord, name=f"{name}.down", bias=bias)


def glu(x: Value, n_ff: SizeLike, *, name: str | None = None, phi: Phi = "silu", bias: bool = False) -> Value:
    """Gated unit: down(phi(gate x) * up x); parameters ``name.gate``, ``name.up``, ``name.down``."""
    x, name = checked(x, "ns.glu"), required_name(name, "ns.glu")
    gated = map(phi, dense(x, n_ff, name=f"{name}.gate", bias=bias)) * dense(x, n_ff, name=f"{name}.up", bias=bias)
    return dense(gated, x.type.coord, name=f"{name}.down", bias=bias)


def moe(
    x: Value,
    n_ff: SizeLike,
    experts: SizeLike,
    *,
    name: str | None = None,
    k: SizeLike | None = None,
    phi: Phi = "gelu",
    bias: bool = False,
) -> Value:
    """Mixture of experts: a router's softmax (its top k, if given) weights ``experts`` two-layer networks."""
    x, name = checked(x, "ns.moe"), required_name(name, "ns.moe")
    axis = Axis("expert", as_size(experts))
    scores = softmax(as_axis(dense(x, axis.size, name=f"{name}.router", bias=False), "expert"), "expert")
    gates = scores if k is None else top_k(scores, "expert", k)
    h = map(phi, dense(x, n_ff, name=f"{name}.up", index=axis, bias=bias))
    return mix(gates, dense(h, x.type.coord, name=f"{name}.down", index=axis, bias=bias), "expert")


def lora(x: Value, n: SizeLike, rank: SizeLike, *, name: str | None = None, scale: SizeLike = 1) -> Value:
    """A frozen dense map plus scale * B A x with A (rank x fan-in), B (n x rank) zero at the start."""
    x, name = checked(x, "ns.lora"), required_name(name, "ns.lora")
    down = matmul(weight(x, f"{name}.a", rank, x.type.coord, what="ns.lora"), x)
    up = matmul(weight(x, f"{name}.b", n, rank, init="zeros", what="ns.lora"), down)
    return dense(x, n, name=name, bias=False, trainable=False) + up * scale


def graph_conv(x: Value, adjacency: Value, n: SizeLike, *, name: str | None = None, bias: bool = True) -> Value:
    """Dense map, then a sum over neighbours with the adjacency's weights."""
    x, adjacency = checked(x, "ns.graph_conv"), checked(adjacency, "ns.graph_conv")
    nodes = x.type.positions[-1].name if x.type.positions else ""
    target = adjacency.type.positions[0].name if adjacency.type.positions else ""
    if not nodes or nodes != target:
        raise fail(
            f"ns.graph_conv: the axis of the features, {nodes or '(none)'}, is not that of the graph, "
            f"{target or '(none)'}; "
            'give both the same name, as in ns.Sequence(N, d, name="N")'
        )
    messages = relabel(dense(x, n, name=required_name(name, "ns.graph_conv"), bias=bias), nodes, f"{nodes}'")
    return mix(adjacency, messages, f"{nodes}'")
