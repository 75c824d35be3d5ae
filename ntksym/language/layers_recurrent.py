"""Recurrent layers: scans over a time axis with the same weights at every step."""

from __future__ import annotations

from ntksym.language.activations import activation
from ntksym.language.dims import Axis, SizeLike, as_size
from ntksym.language.layers import required_name
from ntksym.language.loops import scan
from ntksym.language.ops import Phi, constant, map, matmul, pool, vector, weight
from ntksym.language.ops_checks import axis_of, checked
from ntksym.language.source import fail
from ntksym.language.trace import Value, Weight


def _cell_weights(
    x: Value, n: SizeLike, name: str, gates: tuple[str, ...], what: str
) -> dict[str, tuple[Weight, Weight, Value]]:
    """For each gate: the weight on the input, the weight on the state, the bias."""
    return {
        gate: (
            weight(x, f"{name}.{gate}.w", n, x.type.coord, what=what),
            weight(x, f"{name}.{gate}.u", n, n, what=what),
            vector(x, f"{name}.{gate}.b", n, what=what),
        )
        for gate in gates
    }


def _gate(weights: tuple[Weight, Weight, Value], x: Value, h: Value) -> Value:
    w, u, b = weights
    return matmul(w, x) + matmul(u, h) + b


def _time_axis(x: Value, axis: str | Axis | None, what: str) -> str:
    x = checked(x, what)
    if axis is None and not x.type.positions:
        raise fail(f"{what} needs a position axis that is time; this value {x.type} has none")
    return axis_of(x, axis or x.type.positions[-1], what).name


def rnn(x: Value, n: SizeLike, *, name: str | None = None, phi: Phi = "tanh", axis: str | Axis | None = None) -> Value:
    """h_t = phi(W x_t + U h_{t-1} + b); all states along the time axis. Parameters ``name.h.w/u/b``."""
    name, time = required_name(name, "ns.rnn"), _time_axis(x, axis, "ns.rnn")
    cell = _cell_weights(x, n, name, ("h",), "ns.rnn")
    start = constant(x, 0, n, x.type.without(time))

    def step(h: Value, x: Value) -> Value:
        return map(phi, _gate(cell["h"], x, h))

    states: Value = scan(step, start, x, time)
    return states


def lstm(x: Value, n: SizeLike, *, name: str | None = None, axis: str | Axis | None = None) -> Value:
    """Long short-term memory: sigmoid gates i, f, o and candidate g; all states along the time axis.

    The forget gate's bias starts at one.
    """
    name, time = required_name(name, "ns.lstm"), _time_axis(x, axis, "ns.lstm")
    cell = _cell_weights(x, n, name, ("i", "f", "o", "g"), "ns.lstm")
    start = constant(x, 0, n, x.type.without(time))
    sigmoid, tanh = activation("sigmoid"), activation("tanh")

    def step(h: Value, c: Value, x: Value) -> tuple[Value, Value]:
        i, f, o, g = (_gate(cell[gate], x, h) for gate in ("i", "f", "o", "g"))
        c = sigmoid(f + 1) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    states: tuple[Value, Value] = scan(step, (start, start), x, time)
    return states[0]


def gru(x: Value, n: SizeLike, *, name: str | None = None, axis: str | Axis | None = None) -> Value:
    """Gated recurrent unit, gates r and z, candidate h; all states along the time axis."""
    name, time = required_name(name, "ns.gru"), _time_axis(x, axis, "ns.gru")
    cell = _cell_weights(x, n, name, ("r", "z", "h"), "ns.gru")
    start = constant(x, 0, n, x.type.without(time))

    def step(h: Value, x: Value) -> Value:
        r, z = map("sigmoid", _gate(cell["r"], x, h)), map("sigmoid", _gate(cell["z"], x, h))
        w, u, b = cell["h"]
        candidate = map("tanh", matmul(w, x) + r * matmul(u, h) + b)
        return h + z * (candidate - h)

    states: Value = scan(step, start, x, time)
    return states


def ssm(x: Value, states: SizeLike, *, name: str | None = None, axis: str | Axis | None = None) -> Value:
    """Diagonal state space: s_t = exp(-softplus(a)) s_{t-1} + b x_t, y_t = sum over states of c s_t + d x_t.

    Each coordinate has ``states`` numbers of its own; parameters ``name.a``, ``.b``, ``.c``, ``.d``.
    """
    name, time = required_name(name, "ns.ssm"), _time_axis(x, axis, "ns.ssm")
    n, axis_s = x.type.coord, Axis("state", as_size(states))
    a = vector(x, f"{name}.a", n, init="ones", index=axis_s, what="ns.ssm")
    b = vector(x, f"{name}.b", n, init="ones", index=axis_s, what="ns.ssm")
    c = vector(x, f"{name}.c", n, sigma=1.0, index=axis_s, what="ns.ssm")
    d = vector(x, f"{name}.d", n, init="ones", what="ns.ssm")
    decay = map("exp(-log(1 + exp(z)))", a)
    start = constant(x, 0, n, (*x.type.without(time), axis_s))

    def step(s: Value, x: Value) -> Value:
        return decay * s + b * x

    held: Value = scan(step, start, x, time)
    return pool(c * held, "state", mean=False) + d * x
