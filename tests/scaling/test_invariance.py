"""What a table must not depend on: names, ways of writing the same network, the gauge, the order of recording."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntksym import language as ns
from ntksym.scaling import Parametrization, ScalingTable, convert, scaling_table
from ntksym.scaling import optimizers as registered
from ntksym.scaling.parametrizations import parametrizations
from tests.scaling.helpers import COLUMNS, along, differences, exponents, rays, same
from tests.scaling.nets import (
    HALF,
    ONE,
    adapted,
    decoder,
    diffusion,
    experts,
    perceptron,
    residual_tower,
    tied_words,
    widths,
)
from tests.scaling.random_programs import Layer, Plan, Style, on_one_width, plans, program_of

OPTIMIZERS = ("sgd", "adam", "muon")
optimizers = st.sampled_from(OPTIMIZERS)
two_widths = plans(widths=("n", "m"), most=3)

# --- what holds for every random network ----------------------------------------------------------------------------


@given(plans(), optimizers)
@settings(max_examples=30)
def test_mup_is_stable_and_learns_features(plan: Plan, optimizer: str) -> None:
    verdict = scaling_table(program_of(plan), optimizer=optimizer).verdict
    assert (verdict.stable, verdict.regime, verdict.blows_up) == (True, "feature learning", None)
    assert exponents(verdict.features) == {}
    assert verdict.lagging == ()


@pytest.mark.parametrize("optimizer", sorted(registered))
@pytest.mark.parametrize(
    "program",
    [perceptron(), residual_tower(), residual_tower(branch=ONE, norm=True, affine=True), diffusion(), adapted()],
    ids=["perceptron", "tower", "normed tower", "diffusion", "adapted"],
)
def test_every_optimizer_is_stable_at_its_own_rates(program: ns.Program, optimizer: str) -> None:
    """Also where parameters start at zero and steps are relative to the parameter."""
    verdict = scaling_table(program, optimizer=optimizer).verdict
    assert (verdict.stable, verdict.regime) == (True, "feature learning"), verdict.blows_up


@given(plans(loops=False), st.sampled_from(["sp", "ntp"]), st.sampled_from(["sgd", "adam"]))
@settings(max_examples=25)
def test_standard_inits_at_their_largest_rates_are_a_kernel(plan: Plan, name: str, optimizer: str) -> None:
    """The readout's n^(-1/2) forbids features to move by more than that (Yang & Hu 2020)."""
    verdict = scaling_table(program_of(plan), optimizer=optimizer, parametrization=name).verdict
    assert (verdict.stable, verdict.regime) == (True, "kernel")
    assert exponents(verdict.features) == {"n": Fraction(-1, 2)}


@given(two_widths, optimizers)
@settings(max_examples=12)
def test_two_widths_are_stable_in_every_direction(plan: Plan, optimizer: str) -> None:
    verdict = scaling_table(program_of(plan), optimizer=optimizer).verdict
    assert verdict.stable, verdict
    assert verdict.features is not None
    assert all(along(verdict.features, **ray) == 0 for ray in rays(verdict.features.names, 2) if min(ray.values()))


# --- ways of writing the same network ---------------------------------------------------------------------------------

STYLES = {
    "linear": Style(unit="linear"),
    "product": Style(unit="product"),
    "bias apart": Style(apart=True),
    "branches swapped": Style(swapped=True),
    "everything": Style(unit="product", apart=True, swapped=True),
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@given(plan=plans(), optimizer=optimizers)
@settings(max_examples=8)
def test_another_way_of_writing_it(style: Style, plan: Plan, optimizer: str) -> None:
    assert differences(program_of(plan), program_of(plan, style), optimizer=optimizer) == []


@given(two_widths, st.sampled_from(sorted(STYLES)))
@settings(max_examples=8)
def test_another_way_of_writing_two_widths(plan: Plan, style: str) -> None:
    assert differences(program_of(plan), program_of(plan, STYLES[style]), optimizer="sgd") == []


@given(plans(), optimizers)
@settings(max_examples=15)
def test_names_of_parameters_and_axes_mean_nothing(plan: Plan, optimizer: str) -> None:
    style = Style(rename=lambda name: ".".join(f"z{part[::-1]}" for part in name.split(".")), axis="token")
    plain, renamed = program_of(plan), program_of(plan, style)
    twins = {a.name: b.name for a, b in zip(plain.parameters, renamed.parameters, strict=True)}
    assert differences(plain, renamed, twins, optimizer=optimizer) == []


@given(two_widths)
@settings(max_examples=8)
def test_names_of_dimensions_mean_nothing(plan: Plan) -> None:
    """Swapped alphabetically as well, so that nothing rests on an order of names."""
    called = {"n": "y", "m": "x", "L": "a"}
    first = scaling_table(program_of(plan))
    second = scaling_table(program_of(plan, Style(dims=tuple(called.items()))))
    for row in first.parameters:
        for name in COLUMNS:
            mine, other = row.column(name), second[row.name].column(name)
            assert (mine is None) == (other is None)
            for ray in rays(first.large, 2):
                renamed = {called[dim]: rate for dim, rate in ray.items()}
                assert along(mine, **ray) == along(other, **renamed), (row.name, name, ray)


@given(plans(fixed=True), st.sampled_from(["sgd", "adam"]), st.sampled_from(["mup", "sp"]))
@settings(max_examples=25)
def test_a_loop_of_fixed_depth_is_its_copies(plan: Plan, optimizer: str, parametrization: str) -> None:
    """A row of a repeated body holds for all copies: it is that of the copy that allows least."""
    chosen = {"optimizer": optimizer, "parametrization": parametrization}
    rolled = scaling_table(program_of(plan), **chosen)
    unrolled = scaling_table(program_of(plan, Style(unrolled=True)), **chosen)
    for row in rolled.parameters:
        head, _, rest = row.name.partition(".")
        copies = [twin for twin in unrolled.parameters if twin.name in copy_names(head, rest)]
        assert copies, row.name
        for name in ("init_std", "lr"):
            lowest = min(along(twin.column(name), n=1) for twin in copies)
            assert along(row.column(name), n=1) == lowest, (row.name, name)


def copy_names(head: str, rest: str) -> set[str]:
    """A row's own name, or those of its copies if it stands in a loop."""
    return {f"{head}.{rest}" if rest else head, *(f"{head}.{copy}.{rest}" for copy in range(3))}


@pytest.mark.parametrize("branch", [HALF, ONE], ids=str)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("nesting", ["L of 2", "2 of L", "L of M"])
def test_a_loop_in_a_loop_is_one_stream(nesting: str, optimizer: str, branch: Fraction) -> None:
    """L blocks in groups are L blocks: groups written as loops ask for the rates of a single loop."""
    n, L, M = (ns.dim(name) for name in ("n", "L", "M"))
    outer, inner = {"L of 2": (L, 2), "2 of L": (2, L), "L of M": (L, M)}[nesting]

    @ns.program
    def network(x: ns.Vector("d_in"), *, nested=True):
        scale = ((L * M) if nesting == "L of M" else L) ** branch

        def block(h):
            return h + scale * ns.dense(ns.map("tanh", h), n, name="w", bias=False)

        h = ns.dense(x, n, name="embed", bias=False)
        if nested:
            h = ns.repeat(outer, lambda h: ns.repeat(inner, block, h, name="inner"), h, name="outer")
        else:
            h = ns.repeat(L * M if nesting == "L of M" else 2 * L, block, h, name="block")
        return ns.dense(h, 3, name="readout", bias=False)

    twins = {"embed.w": "embed.w", "outer.inner.w.w": "block.w.w", "readout.w": "readout.w"}
    assert differences(network(), network(nested=False), twins, optimizer=optimizer) == []


@ns.program
def attention_twice(x: ns.Sequence(8, "d_in"), *, rolled=True, scale=ONE):
    """Two residual attention blocks, as a loop or written out."""
    n = ns.dim("n")

    def block(h, prefix=""):
        return h + ns.attention(ns.rmsnorm(h), 4, name=f"{prefix}attn", scale=(n / 4) ** scale)

    h = ns.dense(x, n, name="embed", bias=False)
    h = ns.repeat(2, block, h) if rolled else block(block(h, "block.0."), "block.1.")
    return ns.dense(ns.rmsnorm(h), 3, name="readout", bias=False)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_loop_with_attention_is_its_copies(optimizer: str) -> None:
    rolled, unrolled = (scaling_table(attention_twice(rolled=way), optimizer=optimizer) for way in (True, False))
    for row in rolled.parameters:
        head, _, rest = row.name.partition(".")
        copies = [twin for twin in unrolled.parameters if twin.name in copy_names(head, rest)]
        for name in ("init_std", "lr"):
            assert along(row.column(name), n=1) == min(along(twin.column(name), n=1) for twin in copies)
    assert same(rolled.verdict.features, unrolled.verdict.features)


def test_what_one_copy_moves_may_blow_up_the_next() -> None:
    """With 1/sqrt(d_head) each copy amplifies changes by n^(1/2), so the embedding loses that power for each of them.

    A loop has one row for all copies and cannot say so: its verdict must.
    """
    rolled, unrolled = (scaling_table(attention_twice(rolled=way, scale=HALF)) for way in (True, False))
    assert exponents(unrolled["embed.w"].lr) == {"n": -1}
    assert unrolled.verdict.stable
    assert not rolled.verdict.stable
    assert rolled.verdict.blows_up


# --- the gauge ----------------------------------------------------------------------------------------------------

thetas = st.integers(-4, 4).map(lambda k: Fraction(k, 2))
COST = {"sgd": 2, "momentum": 2, "adam": 1, "lion": 1, "adafactor": 0, "lamb": 0, "muon": 1}


def gauged(table: ScalingTable, name: str, theta: Fraction) -> dict[str, Fraction]:
    """What a row must be after its multiplier grew by n^theta, by the abc symmetry."""
    row, cost = table[name], COST[table[name].optimizer]
    out = {"multiplier": along(row.multiplier, n=1) + theta, "init_std": along(row.init_std, n=1) - theta}
    out["lr"] = along(row.lr, n=1) - cost * theta
    if row.eps is not None:
        out["eps"] = along(row.eps, n=1) + theta * (2 if row.optimizer == "adafactor" else 1)
    return out


@pytest.mark.parametrize("optimizer", COST)
@given(thetas=st.tuples(thetas, thetas, thetas))
@settings(max_examples=8)
def test_multipliers_move_along_the_symmetry(optimizer: str, thetas: tuple[Fraction, ...]) -> None:
    """Yang & Hu 2020, Symmetry of abc-parametrizations: a + t, b - t, c - 2t for SGD, c - t for Adam."""
    table = scaling_table(perceptron(bias=False), optimizer=optimizer)
    chosen = dict(zip(("input.w", "hidden.w", "output.w"), thetas, strict=True))
    moved = convert(table, {name: {"n": theta} for name, theta in chosen.items()})
    for name, theta in chosen.items():
        found = {key: along(moved[name].column(key), n=1) for key in gauged(table, name, theta)}
        assert found == gauged(table, name, theta)
    assert moved.verdict == table.verdict


@pytest.mark.parametrize("form", ["table3", "table8", "table9", "unit"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_forms_move_along_the_symmetry(form: str, optimizer: str) -> None:
    plain = scaling_table(perceptron(), optimizer=optimizer)
    written = scaling_table(perceptron(), optimizer=optimizer, form=form)
    for row in plain.parameters:
        theta = along(written[row.name].multiplier, n=1) - along(row.multiplier, n=1)
        found = {k: along(written[row.name].column(k), n=1) for k in ("multiplier", "init_std", "lr")}
        cost = {"adamw": 1}.get(row.optimizer) or COST[row.optimizer]
        assert found["init_std"] == along(row.init_std, n=1) - theta
        assert found["lr"] == along(row.lr, n=1) - cost * theta
    assert written.verdict == plain.verdict


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@given(theta=thetas)
@settings(max_examples=9)
def test_a_constant_in_the_program_is_a_multiplier(optimizer: str, theta: Fraction) -> None:
    """n^theta written into the program, with the initial std divided by it, asks for the rate of the symmetry."""
    n = ns.dim("n")

    @ns.program
    def network(x: ns.Vector("d_in"), *, theta=Fraction(0)):
        h = ns.map("tanh", ns.dense(x, n, name="input", bias=False))
        h = ns.map("tanh", n**theta * ns.dense(h, n, name="hidden", bias=False))
        return ns.dense(h, 1, name="output", bias=False)

    plain = scaling_table(network(), optimizer=optimizer)
    std = {"n": exponents(plain["hidden.w"].init_std)["n"] - theta}
    given_std = Parametrization("mine", parametrizations["mup"].multiplier, given={"hidden.w": {"init_std": std}})
    moved = scaling_table(network(theta=theta), optimizer=optimizer, parametrization=given_std)
    wanted = gauged(plain, "hidden.w", theta)
    assert along(moved["hidden.w"].lr, n=1) == wanted["lr"]
    assert along(moved["hidden.w"].eps, n=1) == wanted.get("eps")
    for name in ("input.w", "output.w"):
        assert all(same(moved[name].column(key), plain[name].column(key)) for key in COLUMNS)
    assert (moved.verdict.stable, moved.verdict.regime) == (True, "feature learning")


@pytest.mark.parametrize("program", [tied_words(), experts(), decoder(), residual_tower()], ids=lambda p: p.name)
def test_given_values_that_were_derived_change_nothing(program: ns.Program) -> None:
    plain = scaling_table(program)
    mine = {
        row.name: {"init_std": row.init_std.linear, "multiplier": row.multiplier.linear} for row in plain.parameters
    }
    fixed = Parametrization("mine", parametrizations["mup"].multiplier, given=mine)
    again = scaling_table(program, parametrization=fixed)
    for row in plain.parameters:
        assert all(same(row.column(key), again[row.name].column(key)) for key in COLUMNS), row.name


# --- several large dimensions ---------------------------------------------------------------------------------------


def restricted(table: ScalingTable, other: ScalingTable, direction: dict[str, int], name: str) -> list[str]:
    """Where a table, restricted to a direction, differs from a table in which only ``name`` grows."""
    return [
        f"{row.name}: {key}"
        for row in table.parameters
        for key in ("multiplier", "init_std", "lr", "eps")
        if along(row.column(key), **direction) != along(other[row.name].column(key), **{name: 1})
    ]


@given(plans(widths=("n", "m"), loops=False), st.sampled_from(["sgd", "adam"]))
@settings(max_examples=20)
def test_equal_widths_are_one_width(plan: Plan, optimizer: str) -> None:
    both = scaling_table(program_of(plan), optimizer=optimizer)
    one = scaling_table(program_of(on_one_width(plan, "m", "n")), optimizer=optimizer)
    assert restricted(both, one, dict.fromkeys(both.large, 1), "n") == []


@given(plans(widths=("n", "m"), loops=False, most=3), st.sampled_from(["sgd", "adam"]))
@settings(max_examples=15)
def test_a_width_that_stays_fixed_is_a_number(plan: Plan, optimizer: str) -> None:
    program = program_of(plan)
    both = scaling_table(program, optimizer=optimizer)
    for name in both.large:
        alone = scaling_table(program, optimizer=optimizer, large=[name])
        assert restricted(both, alone, {name: 1}, name) == []


@given(plans(), st.sampled_from(["sgd", "adam"]))
@settings(max_examples=15)
def test_a_depth_that_stays_fixed_is_a_number(plan: Plan, optimizer: str) -> None:
    program = program_of(plan)
    table = scaling_table(program, optimizer=optimizer)
    alone = scaling_table(program, optimizer=optimizer, large=["n"])
    assert restricted(table, alone, {"n": 1}, "n") == []


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_three_widths_hold_in_every_mixed_direction(optimizer: str) -> None:
    """The same exponents from one derivation of all directions and from one derivation for each direction."""
    table = scaling_table(widths(), optimizer=optimizer)
    s = ns.dim("s")

    for ray in rays(("n", "m", "d"), 2):
        width = {name: s**rate if rate else ns.fixed(name) for name, rate in ray.items()}

        @ns.program
        def network(x: ns.Vector("d_in"), *, width=width):
            h = ns.map("tanh", ns.dense(x, width["n"], name="w1", bias=False))
            h = ns.map("tanh", ns.dense(h, width["m"], name="w2", bias=False))
            h = ns.map("tanh", ns.dense(h, width["d"], name="w3", bias=False))
            return ns.dense(h, 3, name="w4", bias=False)

        alone = scaling_table(network(), optimizer=optimizer)
        assert restricted(table, alone, ray, "s") == [], ray


def test_a_branch_of_its_own_width() -> None:
    plan = Plan("n", (Layer("mlp", width="m"), Layer("chain", width="n")))
    table = scaling_table(program_of(plan))
    assert table.large == ("n", "m")
    assert along(table["mlp1.down.w"].lr, n=1, m=2) == -2
    assert along(table["mlp1.up.w"].lr, n=1, m=2) == -1
