"""The walk through a whole acyclic graph, forward and backward, compiled by numba on first use.

Rows of a state are nodes in topological order, inputs first; a row holds ``width`` samples side by
side, a multiple of ``LANES``. A node is computed for all of them before the next one, so nothing
waits at a layer, and what needs the whole batch (batch normalisation) has it at hand. Imported only
when the engine runs: this file alone knows numba.

Values are vectors of 32 or 64 samples (``Lanes``), written out for LLVM: loops over arrays would
leave it to chance whether sums stay in registers. How many it is belongs to the type of what they
are read from (``Values``), so that each function is compiled for either. All are in one file, for
numba's cache on disk looks only at the file of the function that it keeps.
"""

from __future__ import annotations

import math
import operator
from typing import Any, NamedTuple

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, config
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, models, register_model

from edge2torch.nn._whole._stages import (
    ELU,
    GELU,
    IDENTITY,
    LEAKY_RELU,
    MML_CODE,
    RELU,
    SIGMOID,
    SILU,
    SOFTPLUS,
    TANH,
)

if getattr(config, "DISABLE_JIT", False):
    raise ImportError("NUMBA_DISABLE_JIT is set")

LANES = 32

# Twice as many sum up an edge at once where registers hold sixteen numbers and there are 32 of them:
# 1.15 times as fast on f. Elsewhere, and in float64, they would not stay in registers.
# What numba is told (NUMBA_CPU_NAME, for a cache that machines share) comes before what there is.
_TOLD = getattr(config, "CPU_FEATURES", None)
_HAS_512 = llvmlite.binding.get_host_cpu_features().get("avx512f", False)
IS_WIDE = bool(_HAS_512 if _TOLD is None else "+avx512f" in _TOLD)

_I32 = ir.IntType(32)


def kept(function):
    """Compile with a cache on disk: beside this file, else the user's, else for this process only."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder that could be written to
        return njit(nogil=True)(function)


# What only compiled functions call needs no door to Python: to make one takes a seventh of all. Where
# many arguments go along, to pass them on takes longer than what is done with them.
_NO_DOOR: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
apart, within = njit(**_NO_DOOR), njit(forceinline=True, **_NO_DOOR)


class Lanes(types.Type):
    """The value of one node for several samples."""

    def __init__(self, dtype, count):
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype}, {count})")


class Values(types.CPointer):
    """A pointer to numbers, from which so many are read at once."""

    def __init__(self, dtype, count):
        super().__init__(dtype)
        self.count = count
        self.name = f"Values({dtype}, {count})"

    @property
    def key(self):  # by which numba tells types apart
        return self.name

    @property
    def lanes(self):
        """The type of what is read."""
        return Lanes(self.dtype, self.count)


register_model(Values)(models.PointerModel)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        element = dmm.lookup(fe_type.dtype).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.count))


# ----------------------------------------------------------------------------- LLVM, one by one


def _spread(context, builder, value, kind, lanes):
    """Return a vector: what is one already, or a number in every lane."""
    if isinstance(kind, Lanes):
        return value
    scalar = context.cast(builder, value, kind, lanes.dtype)
    return _repeat(builder, scalar, lanes.count)


def _repeat(builder, scalar, count):
    vector = ir.VectorType(scalar.type, count)
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, count), [0] * count)
    return builder.shuffle_vector(one, undefined, zeros)


def _call(builder, name, result, arguments, **options):
    kinds = [one.type for one in arguments]
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, kinds), name)
    return builder.call(function, arguments, **options)


def _suffix(vector):
    return f"v{vector.count}f{32 if vector.element == ir.FloatType() else 64}"


def _address(context, builder, kind, data, index):
    element = context.get_data_type(kind.dtype)
    size = 4 if element == ir.FloatType() else 8
    vector = ir.VectorType(element, kind.count)
    pointer = builder.bitcast(builder.gep(data, [index]), vector.as_pointer())
    return pointer, size


def _pointer_to(dtype):
    @intrinsic
    def pointer(typingctx, address):
        def code(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(dtype)(types.int64), code

    return pointer


int8_at, int32_at, int64_at, float64_at = map(
    _pointer_to, (types.int8, types.int32, types.int64, types.float64)
)


@intrinsic
def values_at(typingctx, like, address):
    """Return an address as a pointer to an array's numbers; one of two axes has twice the lanes."""

    def code(context, builder, signature, arguments):
        return builder.inttoptr(arguments[1], context.get_value_type(signature.return_type))

    kind = like if isinstance(like, Values) else Values(like.dtype, LANES * like.ndim)
    return kind(like, types.int64), code


@intrinsic
def number_of(typingctx, values, number):
    """Return a number of the type of the values."""

    def code(context, builder, signature, arguments):
        return context.cast(builder, arguments[1], number, values.dtype)

    return values.dtype(values, number), code


@intrinsic
def size_of(typingctx, array):
    """Return the bytes of one number: known when compiled."""

    def code(context, builder, signature, arguments):
        return context.get_constant(types.intp, array.dtype.bitwidth // 8)

    return types.intp(array), code


@intrinsic
def lanes_of(typingctx, array):
    """Return how many numbers are read at once: known when compiled."""

    def code(context, builder, signature, arguments):
        return context.get_constant(types.intp, array.count)

    return types.intp(array), code


@intrinsic
def load(typingctx, array, index):
    """Return array[index : index + lanes]."""

    def code(context, builder, signature, arguments):
        pointer, size = _address(context, builder, array, *arguments)
        return builder.load(pointer, align=size)

    return array.lanes(array, types.intp), code


@intrinsic
def store(typingctx, array, index, lanes):
    """Set array[index : index + lanes]."""

    def code(context, builder, signature, arguments):
        pointer, size = _address(context, builder, array, *arguments[:2])
        builder.store(arguments[2], pointer, align=size)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), code


@intrinsic
def spread(typingctx, array, number):
    """Return a number in all lanes, of the array's type."""

    def code(context, builder, signature, arguments):
        return _spread(context, builder, arguments[1], number, array.lanes)

    return array.lanes(array, number), code


@intrinsic
def multiply_add(typingctx, a, b, c):
    """Return a * b + c, fused where the machine does."""
    kind = next(one for one in (a, b, c) if isinstance(one, Lanes))

    def code(context, builder, signature, arguments):
        values = [
            _spread(context, builder, value, one, kind)
            for value, one in zip(arguments, (a, b, c), strict=True)
        ]
        vector = values[0].type
        return _call(builder, f"llvm.fmuladd.{_suffix(vector)}", vector, values)

    return kind(a, b, c), code


@intrinsic
def total(typingctx, lanes):
    """Return the sum over the lanes, always in the same order."""

    def code(context, builder, signature, arguments):
        vector = arguments[0].type
        zero = ir.Constant(vector.element, -0.0)
        name = f"llvm.vector.reduce.fadd.{_suffix(vector)}"
        return _call(builder, name, vector.element, [zero, arguments[0]], fastmath=("reassoc",))

    return lanes.dtype(lanes), code


# ----------------------------------------------- tiles: as many vectors as each has elements


def _tile(context, array):
    """Return a vector of one register's size, and how many elements it has."""
    element = context.get_data_type(array.dtype)
    size = 16 if element == ir.FloatType() else 8
    return ir.VectorType(element, size), size


def _at(context, builder, array, data, index):
    vector, size = _tile(context, array)
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer()), 64 // size


def _shuffled(builder, a, b, picks):
    mask = ir.Constant(ir.VectorType(_I32, len(picks)), list(picks))
    return builder.shuffle_vector(a, b, mask)


def _merged(builder, a, b, size, distance):
    """Return a and b with blocks of ``distance`` elements exchanged between them."""
    upper = [bool(j & distance) for j in range(size)]
    first = [size + j - distance if up else j for j, up in enumerate(upper)]
    second = [size + j if up else j + distance for j, up in enumerate(upper)]
    return _shuffled(builder, a, b, first), _shuffled(builder, a, b, second)


@intrinsic
def tile_size(typingctx, array):
    """Return how many elements a tile has on each side."""

    def code(context, builder, signature, arguments):
        return context.get_constant(types.intp, _tile(context, array)[1])

    return types.intp(array), code


@intrinsic
def transpose_tile(typingctx, source, at, stride, into, to, step):
    """Copy the tile whose rows begin at ``at`` + j ``stride`` to columns: ``to`` + i ``step``."""

    def code(context, builder, signature, arguments):
        size = _tile(context, source)[1]
        data = arguments[0], arguments[3]
        row, rows = arguments[1], []
        for _ in range(size):
            pointer, align = _at(context, builder, source, data[0], row)
            rows.append(builder.load(pointer, align=align))
            row = builder.add(row, arguments[2])
        distance = size // 2
        while distance:
            for j in range(size):
                if not j & distance:
                    pair = rows[j], rows[j + distance]
                    rows[j], rows[j + distance] = _merged(builder, *pair, size, distance)
            distance //= 2
        column = arguments[4]
        for one in rows:
            pointer, align = _at(context, builder, into, data[1], column)
            builder.store(one, pointer, align=align)
            column = builder.add(column, arguments[5])
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, into, types.intp, types.intp), code


@intrinsic
def pick(typingctx, a, b, yes, no):
    """Return, lane by lane, ``yes`` where a > b, else ``no``."""
    kind = next(one for one in (a, b, yes, no) if isinstance(one, Lanes))

    def code(context, builder, signature, arguments):
        left, right, first, second = (
            _spread(context, builder, value, one, kind)
            for value, one in zip(arguments, (a, b, yes, no), strict=True)
        )
        return builder.select(builder.fcmp_ordered(">", left, right), first, second)

    return kind(a, b, yes, no), code


@intrinsic
def first_lane(typingctx, lanes):
    """Return the first of the lanes."""

    def code(context, builder, signature, arguments):
        return builder.extract_element(arguments[0], ir.Constant(_I32, 0))

    return lanes.dtype(lanes), code


@intrinsic
def power_of_two(typingctx, shifted):
    """Return 2**n where ``shifted`` is n + 1.5 * 2**(digits): n stands in its lowest bits."""

    def code(context, builder, signature, arguments):
        is_single = arguments[0].type.element == ir.FloatType()
        bits, digits, one = (32, 23, 127 << 23) if is_single else (64, 52, 1023 << 52)
        whole = ir.VectorType(ir.IntType(bits), shifted.count)
        value = builder.bitcast(arguments[0], whole)
        value = builder.shl(value, ir.Constant(whole, [digits] * shifted.count))
        value = builder.add(value, ir.Constant(whole, [one] * shifted.count))
        return builder.bitcast(value, arguments[0].type)

    return shifted(shifted), code


@intrinsic
def logarithm(typingctx, lanes):
    """Return the natural logarithm of each lane."""

    def code(context, builder, signature, arguments):
        vector = arguments[0].type
        return _call(builder, f"llvm.log.{_suffix(vector)}", vector, arguments)

    return lanes(lanes), code


@intrinsic
def error_function(typingctx, lanes):
    """Return the error function of each lane, one after the other by the C library."""

    def code(context, builder, signature, arguments):
        value = result = arguments[0]
        name = "erff" if value.type.element == ir.FloatType() else "erf"
        for k in range(lanes.count):
            at = ir.Constant(_I32, k)
            one = builder.extract_element(value, at)
            result = builder.insert_element(result, _call(builder, name, one.type, [one]), at)
        return result

    return lanes(lanes), code


@intrinsic
def draw_mask(typingctx, array, seed, counter, probability):
    """Return 0 with the given probability, else 1 / (1 - probability), by counter: same, same."""

    def code(context, builder, signature, arguments):
        count, (keys, begin) = array.count, arguments[1:3]
        whole = ir.VectorType(_I32, count)
        upper = builder.lshr(keys, ir.Constant(keys.type, 32))
        low, start, high = (
            _repeat(builder, builder.trunc(value, _I32), count) for value in (keys, begin, upper)
        )
        x = builder.add(start, ir.Constant(whole, list(range(count))))
        for key in (low, high):  # two rounds of a mixing of 32 bits
            x = builder.xor(x, key)
            for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, None)):
                x = builder.xor(x, builder.lshr(x, ir.Constant(whole, [shift] * count)))
                if factor is not None:
                    x = builder.mul(x, ir.Constant(whole, [factor] * count))
        element = context.get_data_type(array.dtype)
        vector = ir.VectorType(element, count)
        uniform = builder.uitofp(builder.lshr(x, ir.Constant(whole, [8] * count)), vector)
        uniform = builder.fmul(uniform, ir.Constant(vector, [2.0**-24] * count))
        p = _spread(context, builder, arguments[3], probability, array.lanes)
        scale = builder.fdiv(
            ir.Constant(vector, [1.0] * count), builder.fsub(ir.Constant(vector, [1.0] * count), p)
        )
        keep = builder.fcmp_ordered(">=", uniform, p)
        return builder.select(keep, scale, ir.Constant(vector, [0.0] * count))

    return array.lanes(array, types.int64, types.int64, probability), code


@infer_global(operator.add)
@infer_global(operator.sub)
@infer_global(operator.mul)
@infer_global(operator.truediv)
class _Arithmetic(AbstractTemplate):
    def generic(self, args, kws):  # noqa: ARG002 - numba's own names
        kinds = [one for one in args if isinstance(one, Lanes)]
        return kinds[0](*args) if kinds else None


def _arithmetic(operation, instruction):
    def code(context, builder, signature, arguments):
        values = [
            _spread(context, builder, value, kind, signature.return_type)
            for value, kind in zip(arguments, signature.args, strict=True)
        ]
        return getattr(builder, instruction)(*values)

    for kinds in ((Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)):
        lower_builtin(operation, *kinds)(code)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
_arithmetic(operator.truediv, "fdiv")


# ---------------------------------------------------------------------------- functions of a node


@intrinsic
def is_single(typingctx, lanes):
    """Tell whether these are float32: known when compiled."""
    value = int(lanes.dtype == types.float32)

    def code(context, builder, signature, arguments):
        return ir.Constant(ir.IntType(1), value)

    return types.boolean(lanes), code


@intrinsic
def spread_like(typingctx, lanes, number):
    """Return a number in all lanes."""

    def code(context, builder, signature, arguments):
        return _spread(context, builder, arguments[1], number, lanes)

    return lanes(lanes, number), code


@apart
def _reduced(x):
    """Return 2**n and exp(r) - 1, where x = n log 2 + r and |r| <= log(2) / 2."""
    if is_single(x):
        x = pick(x, 88.0, 88.0, pick(-87.3, x, -87.3, x))  # NaN passes
        shifted = multiply_add(x, 1.4426950408889634, 12582912.0)
        n = shifted - 12582912.0
        r = multiply_add(n, 2.12194440e-4, multiply_add(n, -0.693359375, x))
        p = spread_like(x, 1 / 5040)
        p = multiply_add(p, r, 1 / 720)
    else:
        x = pick(x, 709.0, 709.0, pick(-708.0, x, -708.0, x))
        shifted = multiply_add(x, 1.4426950408889634, 6755399441055744.0)
        n = shifted - 6755399441055744.0
        r = multiply_add(
            n, -1.90821492927058770002e-10, multiply_add(n, -6.93147180369123816490e-01, x)
        )
        p = spread_like(x, 1 / 6227020800)
        p = multiply_add(p, r, 1 / 479001600)
        p = multiply_add(p, r, 1 / 39916800)
        p = multiply_add(p, r, 1 / 3628800)
        p = multiply_add(p, r, 1 / 362880)
        p = multiply_add(p, r, 1 / 40320)
        p = multiply_add(p, r, 1 / 5040)
        p = multiply_add(p, r, 1 / 720)
    p = multiply_add(p, r, 1 / 120)
    p = multiply_add(p, r, 1 / 24)
    p = multiply_add(p, r, 1 / 6)
    p = multiply_add(p, r, 0.5)
    return power_of_two(shifted), multiply_add(p * r, r, r)


@apart
def exponential(x):
    scale, rest = _reduced(x)
    return multiply_add(scale, rest, scale)


@apart
def exponential_minus_one(x):
    scale, rest = _reduced(x)
    return multiply_add(scale, rest, scale - 1.0)


@apart
def activate(z, code, a, b):
    """Return the activation of z; a and b are its parameters."""
    if code == TANH:
        e = exponential_minus_one(z + z)
        return e / (e + 2.0)
    if code == RELU:
        return pick(0.0, z, 0.0, z)  # NaN passes
    if code == SIGMOID:
        return 1.0 / (exponential(0.0 - z) + 1.0)
    if code == LEAKY_RELU:
        return pick(z, 0.0, z, z * a)
    if code == ELU:
        return pick(z, 0.0, z * b, exponential_minus_one(z) * a)
    if code == SILU:
        return z / (exponential(0.0 - z) + 1.0)
    if code == GELU:
        return z * 0.5 * (error_function(z * 0.7071067811865476) + 1.0)
    if code == SOFTPLUS:
        t = exponential(pick(z, 0.0, 0.0 - z, z))
        u = t + 1.0
        rest = pick(u, 1.0, logarithm(u) * (t / (u - 1.0)), t)  # log(1 + t) to its last digits
        return pick(z, 20.0, z, rest + pick(z, 0.0, z, 0.0))
    if code == MML_CODE:
        return pick(z, 0.5, 1.0 - 0.25 / pick(z, 0.5, z, 0.5), pick(0.0, z, z * a, z))
    return z


@apart
def slope(y, z, code, a, b):
    """Return the derivative where the activation of z is y; z is there where ``NEEDS_INPUT``."""
    if code == TANH:
        return 1.0 - y * y
    if code == RELU:
        return pick(y, 0.0, 1.0, y * 0.0)
    if code == SIGMOID:
        return y * (1.0 - y)
    if code == LEAKY_RELU:
        return pick(y, 0.0, spread_like(y, 1.0), a)
    if code == ELU:
        return pick(y, 0.0, b, y + a)
    if code == SILU:
        s = 1.0 / (exponential(0.0 - z) + 1.0)
        return s * (z * (1.0 - s) + 1.0)
    if code == GELU:
        density = exponential(z * z * -0.5) * 0.3989422804014327
        return (error_function(z * 0.7071067811865476) + 1.0) * 0.5 + z * density
    if code == SOFTPLUS:
        return pick(y, 20.0, 1.0, 0.0 - exponential_minus_one(0.0 - y))
    if code == MML_CODE:
        above = 0.5 / pick(z, 0.5, z, 0.5)
        return pick(z, 0.5, above * above, pick(0.0, z, spread_like(z, a), 1.0))
    return spread_like(y, 1.0)


# ------------------------------------------- pointers: a call of many arrays takes long, and so does
# compiling what numba does for each


class Graph(NamedTuple):
    """What does not change from call to call; see :class:`Layout` and :class:`Tables`.

    Numbers, then vectors. ``place_out`` is the place of each edge's weight, edges by source; ``kind``
    and ``numbers`` are the activations and rates there are, and ``node`` (nodes, 5) tells of each node
    which of them it has, the row of what is kept of it, its norm, the place of its bias, and the node
    with which it is dropped.
    """

    n_in: Any
    n_nodes: Any
    n_edges: Any
    n_out: Any
    n_norms: Any
    n_kept: Any
    n_segments: Any
    n_drop: Any
    n_values: Any
    alone: Any
    is_signed: Any
    crow: Any
    col: Any
    near: Any
    ccol: Any
    target: Any
    place: Any
    place_out: Any
    out_of: Any
    slot: Any
    target_slot: Any
    node: Any
    kind: Any
    norms: Any
    outs: Any
    segments: Any
    numbers: Any
    epsilon: Any
    edge_drop: Any
    sign: Any


class Memory(NamedTuple):
    """Where a call puts what it computes; see :class:`Room`."""

    width: Any
    keeps: Any
    flat: Any
    moments: Any
    valid: Any
    S: Any
    Z: Any
    G: Any


def pack(numbers, arrays):
    """Return numbers, then the address of each array, as one table of int64.

    The table does not keep the arrays: who calls does.
    """
    return np.array([*map(int, numbers), *(array.ctypes.data for array in arrays)], np.int64)


def pack_graph(layout, tables, slots, n_values, *, alone):
    """Return a graph's table, and the arrays that it points to; segments may be alone in the state."""
    node = tables.node[:-1]
    settings = np.column_stack([node[:, 0], tables.numbers[:-1]])
    # mostly those of the node before: of rows, to sort them all takes long
    is_new = np.ones(len(settings), bool)
    is_new[1:] = (settings[1:] != settings[:-1]).any(axis=1)
    kinds, of_run = np.unique(settings[is_new], axis=0, return_inverse=True)
    kind = of_run.ravel()[np.cumsum(is_new) - 1]
    held = {
        **vars(tables), **vars(layout), **slots, "place_out": layout.place[layout.edge],
        "near": layout.near if alone else layout.col,
        "node": np.column_stack([kind, node[:, 1:]]), "kind": kinds[:, 0],
        "numbers": kinds[:, 1:],
    }  # fmt: skip
    counts = {np.int32: 13, np.int64: 2, np.float64: 3, np.int8: 1}  # as ``_graph`` reads them
    types_of = [dtype for dtype, count in counts.items() for _ in range(count)]
    arrays = [
        np.ascontiguousarray(held[name], dtype)
        for name, dtype in zip(Graph._fields[11:], types_of, strict=True)
    ]
    numbers = (
        layout.n_in, layout.n_nodes, len(layout.col), len(layout.outs), len(tables.norms),
        tables.n_kept, len(layout.segments) - 1, len(tables.edge_drop), n_values,
        alone, layout.sign.any(),
    )  # fmt: skip
    return pack(numbers, arrays), arrays


@apart
def _graph(address):
    of = int64_at(address)
    return Graph(
        of[0], of[1], of[2], of[3], of[4], of[5], of[6], of[7], of[8], of[9] != 0, of[10] != 0,
        int32_at(of[11]), int32_at(of[12]), int32_at(of[13]), int32_at(of[14]), int32_at(of[15]),
        int32_at(of[16]), int32_at(of[17]), int32_at(of[18]), int32_at(of[19]), int32_at(of[20]),
        int32_at(of[21]), int32_at(of[22]), int32_at(of[23]), int64_at(of[24]), int64_at(of[25]),
        float64_at(of[26]), float64_at(of[27]), float64_at(of[28]), int8_at(of[29]),
    )  # fmt: skip


@apart
def _memory(like, address):
    of = int64_at(address)
    return Memory(
        of[0], of[1] != 0, values_at(like, of[2]), values_at(like, of[3]), values_at(like, of[4]),
        values_at(like, of[5]), values_at(like, of[6]), values_at(like, of[7]),
    )  # fmt: skip


# ------------------------------------------------------------------------------------- the walks


@apart
def _in_columns(x, first, rows, n, S, base, width):
    """Copy samples x (b, n) from ``first`` on into rows S (n, width).

    The rest of a row repeats the last sample: of zeros, what a norm makes could overflow where no sample
    does, and not a number times no weight is not a number.
    """
    size = tile_size(S)
    even, whole = n - n % size, rows - rows % size
    for i in range(0, even, size):
        for j in range(0, whole, size):
            transpose_tile(x, (first + j) * n + i, n, S, base + i * width + j, width)
    for j in range(rows):
        at = (first + j) * n
        for i in range(0 if j >= whole else even, n):
            S[base + i * width + j] = x[at + i]
    if rows < width:
        for i in range(n):
            for j in range(rows, width):
                S[base + i * width + j] = S[base + i * width + rows - 1]


@apart
def _edge_mask(values, seed, e, probability):
    return first_lane(draw_mask(values, ~seed, e, probability))


@apart
def _collect(table, flat):
    """Copy vectors from where they lie into one: a table has how many, addresses and lengths."""
    table = int64_at(table)
    n, at = table[0], 0
    for k in range(n):
        part = values_at(flat, table[1 + k])
        for i in range(table[1 + n + k]):
            flat[at + i] = part[i]
        at += table[1 + n + k]


@apart
def _prepare(graph, table, flat, seed):
    """Collect parameters; weights of edges as they are used: constrained, dropped or scaled."""
    _collect(table, flat)
    if graph.is_signed:
        for e in range(graph.n_edges):
            if graph.sign[e] != 0:
                value = flat[graph.place[e]]
                positive = value > 0  # NaN stays
                flat[graph.place[e]] = graph.sign[e] * value if positive else value * 0
    for e in range(graph.n_drop):
        flat[graph.place[e]] *= _edge_mask(flat, seed, e, graph.edge_drop[e])


@kept
def collect(like, graph, table, into, seed):
    """Collect vectors; with a graph, its parameters as they are used."""
    into = values_at(like, into)
    if graph:
        _prepare(_graph(graph), table, into, seed)
    else:
        _collect(table, into)


@kept
def learn(like, running, counts, moments, momentum, unbiased):
    """Move running means, then variances, towards the batch's, and count the batch."""
    running, counts = int64_at(running), int64_at(counts)
    moments, momentum = values_at(like, moments), float64_at(momentum)
    n_tables, n, at = running[0], counts[0], 0
    for k in range(n_tables):
        part = values_at(like, running[1 + k])
        share = number_of(part, momentum[k % n])
        factor = number_of(part, unbiased if k >= n else 1.0)
        for i in range(running[1 + n_tables + k]):
            part[i] += share * (moments[at + i] * factor - part[i])
        at += running[1 + n_tables + k]
    for k in range(n):
        int64_at(counts[1 + k])[0] += 1


@apart
def _out_columns(S, base, width, outs, n, y, first, rows):
    """Copy rows ``outs`` of S into y (b, o), from sample ``first`` on."""
    for i0 in range(0, n, 16):
        i1 = min(i0 + 16, n)
        for j in range(rows):
            at = (first + j) * n
            for i in range(i0, i1):
                y[at + i] = S[base + outs[i] * width + j]


@apart
def _read_column(y, first, rows, n, column, G, at, width):
    """Copy a column of y (b, n), from sample ``first`` on, into a row of G; its rest is 0."""
    for j in range(rows):
        G[at + j] = y[(first + j) * n + column]
    for j in range(rows, width):
        G[at + j] = 0.0


@apart
def _out_rows(G, n, width, x, first, rows):
    """Copy the first n rows of G into x (b, n), from sample ``first`` on."""
    size = tile_size(G)
    even, whole = n - n % size, rows - rows % size
    for i in range(0, even, size):
        for j in range(0, whole, size):
            transpose_tile(G, i * width + j, width, x, (first + j) * n + i, n)
    for j in range(rows):
        at = (first + j) * n
        for i in range(0 if j >= whole else even, n):
            x[at + i] = G[i * width + j]


@within
def _moments(S, row, width, batch, valid):
    """Return mean and variance of a row over the samples of a batch."""
    share = number_of(S, 1.0 / batch)
    s = spread(S, 0.0)
    for q in range(0, width, lanes_of(S)):
        s = multiply_add(load(S, row + q), load(valid, q), s)
    mean = total(s) * share
    s = spread(S, 0.0)
    for q in range(0, width, lanes_of(S)):
        d = (load(S, row + q) - mean) * load(valid, q)
        s = multiply_add(d, d, s)
    return mean, total(s) * share


@apart
def _write_column(S, row, width, y, first, rows, n, column):
    """Copy a row of S into a column of y (b, n), from sample ``first`` on."""
    for j in range(rows):
        y[(first + j) * n + column] = S[row * width + j]


@apart
def _norm_of(graph, memory, norm):
    """Return mean, 1 / deviation, factor and shift of a norm."""
    flat, moments, norms = memory.flat, memory.moments, graph.norms
    zero, one = number_of(flat, 0.0), number_of(flat, 1.0)
    variance = moments[graph.n_norms + norm] + number_of(flat, graph.epsilon[norm])
    gain = flat[norms[4 * norm]] if norms[4 * norm] >= 0 else one
    lift = flat[norms[4 * norm + 1]] if norms[4 * norm + 1] >= 0 else zero
    return moments[norm], one / math.sqrt(variance), gain, lift


@within
def _sum_row(graph, memory, k, base, row, shift):
    """Set a computed node's row to its bias plus what its edges bring."""
    near, place, flat, S, width = graph.near, graph.place, memory.flat, memory.S, memory.width
    first, last = graph.crow[k], graph.crow[k + 1]
    for q in range(0, width, lanes_of(S)):
        z = spread(S, shift)
        for e in range(first, last):
            z = multiply_add(load(S, base + near[e] * width + q), flat[place[e]], z)
        store(S, row + q, z)


@apart
def _copy_row(A, row, B, into, width):
    for q in range(0, width, lanes_of(A)):
        store(B, into + q, load(A, row + q))


@apart
def _activate_row(S, row, width, code, a, b):
    for q in range(0, width, lanes_of(S)):
        store(S, row + q, activate(load(S, row + q), code, a, b))


@apart
def _drop_row(S, row, width, seed, counter, probability):
    """Multiply a row by its mask."""
    for q in range(0, width, lanes_of(S)):
        mask = draw_mask(S, seed, counter + q, probability)
        store(S, row + q, load(S, row + q) * mask)


@within
def _norm_row(graph, memory, norm, row, z_at, batch):
    """Normalise a row; what is kept of it goes to ``z_at``, unless it is negative."""
    S, Z, width = memory.S, memory.Z, memory.width
    if graph.norms[4 * norm + 2] != 0:
        mean, variance = _moments(S, row, width, batch, memory.valid)
        memory.moments[norm], memory.moments[graph.n_norms + norm] = mean, variance
    mean, scale, gain, lift = _norm_of(graph, memory, norm)
    for q in range(0, width, lanes_of(S)):
        z = (load(S, row + q) - mean) * scale
        if z_at >= 0:
            store(Z, z_at + q, z)
        store(S, row + q, z * gain + lift)


@within
def _is_plain(graph, k):
    """Tell whether a node has an activation that its value tells all of, or none, and nothing else."""
    of = 5 * k
    has_more = graph.node[of + 1] >= 0 or graph.node[of + 2] >= 0
    return not has_more and graph.numbers[3 * graph.node[of] + 2] == 0


@within
def _compute_plain(graph, memory, k, base, row, shift, code, a, b):
    """Set the row of a node to its activation of its bias plus what its edges bring; nothing else is kept."""
    near, place, flat, S, width = graph.near, graph.place, memory.flat, memory.S, memory.width
    first, last = graph.crow[k], graph.crow[k + 1]
    for q in range(0, width, lanes_of(S)):
        z = spread(S, shift)
        for e in range(first, last):
            z = multiply_add(load(S, base + near[e] * width + q), flat[place[e]], z)
        store(S, row + q, activate(z, code, a, b))


@apart
def _compute(graph, memory, first, last, lo, base, z_base, batch, seed):
    """Compute nodes ``first`` to ``last``, for the samples from ``lo`` on.

    Each step goes through the node's row anew, which is at hand: in one loop, what no node asks for
    would cost every node.
    """
    n_in, node, width, flat, S, Z = (
        graph.n_in, graph.node, memory.width, memory.flat, memory.S, memory.Z,
    )  # fmt: skip
    zero = number_of(flat, 0.0)
    away, z_away = _places(graph, first, last)
    for k in range(first, last):
        row = base + (n_in + k - away) * width
        kind, z_row, norm, bias = node[5 * k], node[5 * k + 1], node[5 * k + 2], node[5 * k + 3]
        code, drop = graph.kind[kind], graph.numbers[3 * kind + 2]
        a, b = graph.numbers[3 * kind], graph.numbers[3 * kind + 1]
        shift = flat[bias] if bias >= 0 else zero
        if code != IDENTITY and _is_plain(graph, k):
            _compute_plain(graph, memory, k, base, row, shift, code, a, b)
            continue
        _sum_row(graph, memory, k, base, row, shift)
        z_at = z_base + (z_row - z_away) * width
        late = graph.norms[4 * norm + 3] if norm >= 0 else 0
        if late == 2:
            _copy_row(S, row, Z, z_at + width, width)
        if norm >= 0 and late == 0:
            _norm_row(graph, memory, norm, row, z_at, batch)
        elif norm < 0 and z_row >= 0:
            _copy_row(S, row, Z, z_at, width)
        if code != IDENTITY:
            _activate_row(S, row, width, code, a, b)
        if late != 0:
            _copy_row(S, row, Z, z_at, width)
            _norm_row(graph, memory, norm, row, -1, batch)
        if drop > 0:
            _drop_row(S, row, width, seed, (n_in + node[5 * k + 4]) * batch + lo, drop)


@apart
def _places(graph, first, last):
    """Return by how many rows of the state, and of what is kept beside it, a segment moves up."""
    if not graph.alone:
        return 0, 0
    for k in range(first, last):
        if graph.node[5 * k + 1] >= 0:
            return first, int(graph.node[5 * k + 1])
    return first, 0


@kept
def forward(like, graph, memory, parameters, x, y, batch, first_block, last_block, seed):
    """Compute blocks of samples x (b, i) into y (b, o), both by address.

    Parameters are collected, unless their table is 0. Where each segment is ``alone`` in the state,
    backward computes it once more.
    """
    graph, memory = _graph(graph), _memory(like, memory)
    n_in, n_out, alone, segments = graph.n_in, graph.n_out, graph.alone, graph.segments
    width, S, out_of = memory.width, memory.S, graph.out_of
    x, y = values_at(like, x), values_at(like, y)
    if parameters:
        _prepare(graph, parameters, memory.flat, seed)
    for block in range(first_block, last_block):
        lo = block * width
        base = lo * (n_in + graph.n_nodes) if memory.keeps else 0
        z_base = lo * graph.n_kept if memory.keeps else 0
        rows = min(width, batch - lo)
        _in_columns(x, lo, rows, n_in, S, base, width)
        for part in range(graph.n_segments):
            begin, end = segments[part], segments[part + 1]
            _compute(graph, memory, begin - n_in, end - n_in, lo, base, z_base, batch, seed)
            if alone:
                for u in range(begin, end):
                    if out_of[u] >= 0:
                        _write_column(S, n_in + u - begin, width, y, lo, rows, n_out, out_of[u])
        if alone:
            for u in range(n_in):
                if out_of[u] >= 0:
                    _write_column(S, u, width, y, lo, rows, n_out, out_of[u])
        else:
            _out_columns(S, base, width, graph.outs, n_out, y, lo, rows)


@apart
def _restrain(graph, flat, d, seed):
    """Turn gradients of weights as they are used into those of parameters."""
    for e in range(graph.n_edges if graph.is_signed or graph.n_drop else 0):
        slot = graph.place[e]
        value = d[slot]
        if graph.n_drop:
            value *= _edge_mask(flat, seed, e, graph.edge_drop[e])
        if graph.sign[e] != 0:
            value *= graph.sign[e]
            if flat[slot] == 0 and value > 0:  # held back: it would lower a weight at its bound
                value = value * 0
        d[slot] = value


@kept
def restrain(like, graph, flat, d, seed):
    """Turn gradients of weights as they are used into those of parameters."""
    _restrain(_graph(graph), values_at(like, flat), values_at(like, d), seed)


@within
def _pull_row(graph, memory, d, into, u, row, at, is_out):
    """Set a node's gradient to what its targets pass on, and add those of the weights between."""
    place_out, flat = graph.place_out, memory.flat
    width, S, G = memory.width, memory.S, memory.G
    first, last = graph.ccol[u], graph.ccol[u + 1]
    for q in range(0, width, lanes_of(S)):
        y = load(S, row + q)
        g = load(G, at + q) if is_out else spread(S, 0.0)
        for e in range(first, last):
            down, slot = load(G, into[e] * width + q), place_out[e]
            g = multiply_add(down, flat[slot], g)
            d[slot] += total(down * y)
        store(G, at + q, g)


@within
def _slope_row(memory, Y, y_at, keep, z_at, gain, lift, at, code, a, b):
    """Take a gradient through an activation whose values are ``keep`` times those at ``y_at``.

    What it was given is what stands at ``z_at``, times ``gain`` plus ``lift``, where a slope needs it.
    """
    Z, G = memory.Z, memory.G
    for q in range(0, memory.width, lanes_of(Y)):
        y = load(Y, y_at + q) * keep
        z = multiply_add(load(Z, z_at + q), gain, lift) if z_at >= 0 else y
        store(G, at + q, load(G, at + q) * slope(y, z, code, a, b))


@within
def _unnorm_row(graph, memory, d, norm, z_at, at, batch):
    """Take a gradient through a norm, and add those of its factor and its shift."""
    norms, Z, G, width = graph.norms, memory.Z, memory.G, memory.width
    mean, scale, gain, _lift = _norm_of(graph, memory, norm)
    factor = gain * scale
    if norms[4 * norm + 3] == 0:  # what is kept is normalised
        mean, scale = number_of(Z, 0.0), number_of(Z, 1.0)
    sum_g, sum_gz = spread(Z, 0.0), spread(Z, 0.0)
    for q in range(0, width, lanes_of(Z)):
        g = load(G, at + q)
        sum_g = sum_g + g
        sum_gz = multiply_add(g, (load(Z, z_at + q) - mean) * scale, sum_gz)
    by_lift, by_gain = total(sum_g), total(sum_gz)
    for c in range(2):
        slot = norms[4 * norm + c]
        if slot >= 0:
            d[slot] += by_lift if c else by_gain
    learns = norms[4 * norm + 2] != 0
    by_lift, by_gain = by_lift / batch, by_gain / batch
    for q in range(0, width, lanes_of(Z)):
        g = load(G, at + q)
        if learns:
            pull = (load(Z, z_at + q) - mean) * scale * by_gain + by_lift
            g = g - pull * load(memory.valid, q)
        store(G, at + q, g * factor)


@within
def _plain_back(graph, memory, d, into, u, row, at, is_out, base, code, a, b, weighs):
    """Do at once what the way back through a node asks for that has an activation, and no more.

    For as many samples as are read at once: its gradient stays in registers. Weights of edges from
    inputs get their gradients if it ``weighs`` them.
    """
    place_out, place, flat, col = graph.place_out, graph.place, memory.flat, graph.col
    S, G, width, k = memory.S, memory.G, memory.width, u - graph.n_in
    y = load(S, row)
    g = load(G, at) if is_out else spread(S, 0.0)
    for e in range(graph.ccol[u], graph.ccol[u + 1]):
        down, slot = load(G, into[e] * width), place_out[e]
        g = multiply_add(down, flat[slot], g)
        d[slot] += total(down * y)
    if code != IDENTITY:
        g = g * slope(y, y, code, a, b)
    store(G, at, g)
    bias = graph.node[5 * k + 3]
    if bias >= 0:
        d[bias] += total(g)
    last = graph.crow[k + 1] if weighs else graph.crow[k]
    for e in range(graph.crow[k], last):  # sources in order: inputs come first
        if col[e] >= graph.n_in:
            break
        d[place[e]] += total(g * load(S, base + col[e] * width))


@apart
def _sum_of_row(G, at, width):
    s = load(G, at)
    for q in range(lanes_of(G), width, lanes_of(G)):
        s = s + load(G, at + q)
    return total(s)


@within
def _weigh_inputs(graph, memory, d, k, base, at):
    """Add the gradients of the weights of edges from inputs."""
    S, G, width, col, place = memory.S, memory.G, memory.width, graph.col, graph.place
    step = lanes_of(S)
    for e in range(graph.crow[k], graph.crow[k + 1]):  # sources in order: inputs come first
        if col[e] >= graph.n_in:
            break
        row = base + col[e] * width
        product = load(G, at) * load(S, row)
        for q in range(step, width, step):
            product = multiply_add(load(G, at + q), load(S, row + q), product)
        d[place[e]] += total(product)


@within
def _go_back(graph, memory, d, k, row, at, z_at, lo, batch, seed):
    """Take a computed node's gradient from its value to the sum of what its edges brought."""
    node, width, S, Z, G = graph.node, memory.width, memory.S, memory.Z, memory.G
    kind, z_row, norm = node[5 * k], node[5 * k + 1], node[5 * k + 2]
    code, drop = graph.kind[kind], graph.numbers[3 * kind + 2]
    a, b = graph.numbers[3 * kind], graph.numbers[3 * kind + 1]
    zero, one = number_of(S, 0.0), number_of(S, 1.0)
    keep = one
    if drop > 0:
        keep = number_of(S, 1.0 - drop)
        _drop_row(G, at, width, seed, (graph.n_in + node[5 * k + 4]) * batch + lo, drop)
    late = graph.norms[4 * norm + 3] if norm >= 0 else 0
    if late != 0:
        _unnorm_row(graph, memory, d, norm, z_at, at, batch)
    if code != IDENTITY:
        if late != 0:
            z_of = z_at + width if late == 2 else -1
            _slope_row(memory, Z, z_at, one, z_of, one, zero, at, code, a, b)
        elif norm >= 0:
            _mean, _scale, gain, lift = _norm_of(graph, memory, norm)
            _slope_row(memory, S, row, keep, z_at, gain, lift, at, code, a, b)
        else:
            _slope_row(memory, S, row, keep, z_at if z_row >= 0 else -1, one, zero, at, code, a, b)
    if norm >= 0 and late == 0:
        _unnorm_row(graph, memory, d, norm, z_at, at, batch)
    bias = node[5 * k + 3]
    if bias >= 0:
        d[bias] += _sum_of_row(G, at, width)


@kept
def backward(like, graph, memory, gy, x, dx, d, d_is, batch, first_block, last_block, seed):
    """Set d to the gradients of all values by blocks of samples; fill dx.

    Arrays come by address: x only where segments are computed once more; dx where it is wanted, else
    0. If the blocks are the whole batch (``d_is`` 1), d becomes the parameters' own gradients; if nobody
    wants d (-1), those of weights from inputs are left out.

    Where dx is wanted, G has room for all rows; else nodes share some, see ``share_rows``.
    """
    graph, memory = _graph(graph), _memory(like, memory)
    n_in, n_out, alone = graph.n_in, graph.n_out, graph.alone
    ccol, out_of, place_out = graph.ccol, graph.out_of, graph.place_out
    segments, node = graph.segments, graph.node
    width, flat, S, G = memory.width, memory.flat, memory.S, memory.G
    wants_dx = dx != 0
    into = graph.target if wants_dx else graph.target_slot
    gy, x, dx, d = values_at(like, gy), values_at(like, x), values_at(like, dx), values_at(like, d)
    zero = number_of(flat, 0.0)
    for i in range(graph.n_values):
        d[i] = zero
    for block in range(first_block, last_block):
        lo = block * width
        base = 0 if alone else lo * (n_in + graph.n_nodes)
        z_base = 0 if alone else lo * graph.n_kept
        rows = min(width, batch - lo)
        if alone:
            _in_columns(x, lo, rows, n_in, S, base, width)
        for segment in range(graph.n_segments - 1, -1, -1):
            first, last = segments[segment] - n_in, segments[segment + 1] - n_in
            if alone:
                _compute(graph, memory, first, last, lo, base, z_base, batch, seed)
            away, z_away = _places(graph, first, last)
            for k in range(last - 1, first - 1, -1):
                u = k + n_in
                row, at = base + (u - away) * width, (u if wants_dx else graph.slot[k]) * width
                z_at = z_base + (node[5 * k + 1] - z_away) * width
                if out_of[u] >= 0:
                    _read_column(gy, lo, rows, n_out, out_of[u], G, at, width)
                if width == lanes_of(S) and _is_plain(graph, k):
                    kind = node[5 * k]
                    _plain_back(
                        graph, memory, d, into, u, row, at, out_of[u] >= 0, base,
                        graph.kind[kind], graph.numbers[3 * kind], graph.numbers[3 * kind + 1],
                        d_is >= 0,
                    )  # fmt: skip
                    continue
                _pull_row(graph, memory, d, into, u, row, at, out_of[u] >= 0)
                _go_back(graph, memory, d, k, row, at, z_at, lo, batch, seed)
                if d_is >= 0:
                    _weigh_inputs(graph, memory, d, k, base, at)
        if wants_dx:
            for u in range(n_in):
                if out_of[u] >= 0:
                    _read_column(gy, lo, rows, n_out, out_of[u], G, u * width, width)
                for q in range(0, width, lanes_of(S)):
                    g = load(G, u * width + q) if out_of[u] >= 0 else spread(S, 0.0)
                    for e in range(ccol[u], ccol[u + 1]):
                        g = multiply_add(load(G, into[e] * width + q), flat[place_out[e]], g)
                    store(G, u * width + q, g)
            _out_rows(G, n_in, width, dx, lo, rows)
    if d_is == 1:
        _restrain(graph, flat, d, seed)


@within
def _conduct_row(graph, memory, shares, n_shares, scores, k, row, at, is_out, code, a, b):
    """Set a node's gradient to what its targets pass on, and add what flows through it.

    That is its gradient times the way to its value one step on: one sample to the left, where the last
    point of a path comes first. Then the gradient goes through an activation that follows from its value.
    """
    place_out, into, flat = graph.place_out, graph.target_slot, memory.flat
    width, S, G = memory.width, memory.S, memory.G
    u = k + graph.n_in
    for q in range(0, width, lanes_of(S)):
        y = load(S, row + q)
        g = load(G, at + q) if is_out else spread(S, 0.0)
        for e in range(graph.ccol[u], graph.ccol[u + 1]):
            g = multiply_add(load(G, into[e] * width + q), flat[place_out[e]], g)
        flow = g * (load(S, row + q - 1) - y)  # inputs stand before any node
        for j in range(n_shares):
            own = pick(load(shares, j * width + q), 0.5, flow, 0.0)
            scores[j * graph.n_nodes + k] += total(own)
        if code != IDENTITY:
            g = g * slope(y, y, code, a, b)
        store(G, at + q, g)


@kept
def conduct(
    like, graph, memory, gy, x, d, shares, n_shares, scores, batch, first_block, last_block
):
    """Add what flows through each node to scores (blocks, shares, nodes), for blocks of samples x (b, i).

    A block holds points of paths, from the last to the first; ``shares`` (shares, width) is 1 where a
    sample is of a path and has the next point to its left. Each segment is computed once more before
    its way back. Parameters are those that forward left; d is room for what biases and norms would learn.
    """
    graph, memory = _graph(graph), _memory(like, memory)
    n_in, n_out, n_nodes = graph.n_in, graph.n_out, graph.n_nodes
    out_of, segments, node, width = graph.out_of, graph.segments, graph.node, memory.width
    gy, x, d, shares = (
        values_at(like, gy), values_at(like, x), values_at(like, d), values_at(like, shares),
    )  # fmt: skip
    for block in range(first_block, last_block):
        lo = block * width
        rows = min(width, batch - lo)
        own = values_at(like, scores + block * n_shares * n_nodes * size_of(like))
        _in_columns(x, lo, rows, n_in, memory.S, 0, width)
        for segment in range(graph.n_segments - 1, -1, -1):
            first, last = segments[segment] - n_in, segments[segment + 1] - n_in
            _compute(graph, memory, first, last, lo, 0, 0, batch, 0)
            away, z_away = _places(graph, first, last)
            for k in range(last - 1, first - 1, -1):
                u = k + n_in
                row, at = (u - away) * width, graph.slot[k] * width
                z_at = (node[5 * k + 1] - z_away) * width
                if out_of[u] >= 0:
                    _read_column(gy, lo, rows, n_out, out_of[u], memory.G, at, width)
                kind = node[5 * k]
                code, is_plain = graph.kind[kind], _is_plain(graph, k)
                _conduct_row(
                    graph, memory, shares, n_shares, own, k, row, at, out_of[u] >= 0,
                    code if is_plain else IDENTITY, graph.numbers[3 * kind], graph.numbers[3 * kind + 1],
                )  # fmt: skip
                if not is_plain:
                    _go_back(graph, memory, d, k, row, at, z_at, lo, batch, 0)


# --------------------------------------------------------------------------------- steady states


@within
def _size(lanes):
    return pick(lanes, 0.0, lanes, 0.0 - lanes)


@within
def _take_over(graph, memory, work, n_inputs):
    """Let the samples that move go on to the nodes' new values, and measure each one's change.

    ``work`` (4, width) says which move; it gets the largest change, the largest value, and what is not 0
    where a value is not finite.
    """
    S, width, outs = memory.S, memory.width, graph.outs
    for q in range(0, width, lanes_of(S)):
        moving = load(work, q)
        change, size, spoiled = spread(S, 0.0), spread(S, 0.0), spread(S, 0.0)
        for j in range(graph.n_out):
            at = (n_inputs + j) * width + q
            before, after = load(S, at), load(S, outs[j] * width + q)
            step, own = _size(after - before), _size(after)
            change = pick(step, change, step, change)
            size = pick(own, size, own, size)
            spoiled = spoiled + (after - after)
            store(S, at, pick(moving, 0.5, after, before))
        store(work, width + q, change)
        store(work, 2 * width + q, size)
        store(work, 3 * width + q, spoiled)


@within
def _hold(S, outs, places, n_held, held, width):
    """Draw nodes to what they are held at: ``keep * own + lift``, rows of ``held`` one after the other."""
    for i in range(n_held):
        row = outs[places[i]] * width
        for q in range(0, width, lanes_of(S)):
            keep, lift = load(held, i * width + q), load(held, (n_held + i) * width + q)
            store(S, row + q, multiply_add(load(S, row + q), keep, lift))


@kept
def settle(
    like, graph, memory, parameters, state, places, n_held, parts, steps, change, lost, work,
    tolerance, most, n_inputs, batch, first_block, last_block, seed,
):  # fmt: skip
    """Update nodes of a state (b, n) until each sample is steady: a step's outputs are its next nodes.

    Nodes at ``places`` (k) are held, by ``parts`` (b, 2 k) of each sample. Fills how many ``steps`` each
    took, and its last relative ``change``; in ``lost`` the step in which a value was not finite, where all
    ends. ``work`` is (4 + 2 k, width). Arrays come by address.
    """
    graph, memory = _graph(graph), _memory(like, memory)
    n_in, width, S = graph.n_in, memory.width, memory.S
    held = values_at(like, work + 4 * width * size_of(like))
    state, change, work = values_at(like, state), values_at(like, change), values_at(like, work)
    steps, lost, places = int64_at(steps), int64_at(lost), int64_at(places)
    parts = values_at(like, parts)
    if parameters:
        _prepare(graph, parameters, memory.flat, seed)
    for block in range(first_block, last_block):
        lo = block * width
        rows = min(width, batch - lo)
        _in_columns(state, lo, rows, n_in, S, 0, width)
        _in_columns(parts, lo, rows, 2 * n_held, held, 0, width)
        for j in range(width):
            work[j] = number_of(S, 1.0 if j < rows else 0.0)
        left, count = rows, 0
        while left > 0 and count < most:
            count += 1
            _compute(graph, memory, 0, graph.n_nodes, lo, 0, 0, batch, seed)
            _hold(S, graph.outs, places, n_held, held, width)
            _take_over(graph, memory, work, n_inputs)
            for j in range(rows):
                if work[3 * width + j] != 0:  # not a number, then
                    lost[0] = count
                    return
                if work[j] == 0:
                    continue
                share, size = work[width + j], work[2 * width + j]
                if share > 0:  # all may have gone to 0
                    share = share / size if size > 0 else number_of(S, math.inf)
                change[lo + j], steps[lo + j] = share, count
                if not share > tolerance:
                    work[j] = number_of(S, 0.0)
                    left -= 1
        _out_rows(S, n_in, width, state, lo, rows)


@within
def _back_once(graph, memory, d, work, n_inputs, base, z_base, lo, batch, seed):
    """Take the gradients of nodes (from row n of ``work`` on) through a step, and add them up before.

    The last rows get each sample's largest of what was added, and of the sum; and what is not 0 where a
    sum is not finite.
    """
    n_in, n, width, S, G = graph.n_in, graph.n_out, memory.width, memory.S, memory.G
    target, place_out, flat = graph.target, graph.place_out, memory.flat
    for k in range(graph.n_nodes - 1, -1, -1):
        u = k + n_in
        row, at, z_at = base + u * width, u * width, z_base + graph.node[5 * k + 1] * width
        out = graph.out_of[u]
        if out >= 0:
            _copy_row(work, (n + out) * width, G, at, width)
        _pull_row(graph, memory, d, target, u, row, at, out >= 0)
        _go_back(graph, memory, d, k, row, at, z_at, lo, batch, seed)
    for q in range(0, width, lanes_of(S)):
        term, size, spoiled = spread(S, 0.0), spread(S, 0.0), spread(S, 0.0)
        for j in range(n):
            u, g = n_inputs + j, spread(S, 0.0)
            for e in range(graph.ccol[u], graph.ccol[u + 1]):
                g = multiply_add(load(G, target[e] * width + q), flat[place_out[e]], g)
            whole = load(work, j * width + q) + g
            spoiled = spoiled + (whole - whole)
            store(work, (n + j) * width + q, g)
            store(work, j * width + q, whole)
            own, both = _size(g), _size(whole)
            term = pick(own, term, own, term)
            size = pick(both, size, both, size)
        store(work, 2 * n * width + q, term)
        store(work, (2 * n + 1) * width + q, size)
        store(work, (2 * n + 2) * width + q, spoiled)


@kept
def invert(
    like, graph, memory, g, places, n_held, parts, d, work, tolerance, most, n_inputs, batch,
    first_block, last_block, seed,
):  # fmt: skip
    """Turn gradients g (b, m) of steady nodes into g + J'g + J'J'g + ..., J the slopes of a step.

    Until what is added is small beside the sum, in each sample; where values are not finite they go on
    to all that they reach. What nodes at ``places`` (k) hand back is held by ``parts`` (b, 2 k). ``work``
    (2 m + 3 + 2 k, width) has the sum, what was added last, the largest of both, whether the sum is finite,
    and the parts; d is room for what weights would get.
    """
    graph, memory = _graph(graph), _memory(like, memory)
    n, width, S = graph.n_out, memory.width, memory.S
    held = values_at(like, work + (2 * n + 3) * width * size_of(like))
    g, d, work = values_at(like, g), values_at(like, d), values_at(like, work)
    places, parts = int64_at(places), values_at(like, parts)
    for block in range(first_block, last_block):
        lo = block * width
        base, z_base = lo * (graph.n_in + graph.n_nodes), lo * graph.n_kept
        rows = min(width, batch - lo)
        _in_columns(g, lo, rows, n, work, 0, width)
        _in_columns(parts, lo, rows, 2 * n_held, held, 0, width)
        for j in range(n):
            for q in range(rows, width):  # no sample of a batch that a norm sees
                work[j * width + q] = number_of(S, 0.0)
            _copy_row(work, j * width, work, (n + j) * width, width)
        for _ in range(most):
            for i in range(n_held):
                for q in range(0, width, lanes_of(S)):
                    at = (n + places[i]) * width + q
                    store(work, at, load(work, at) * load(held, i * width + q))
            _back_once(graph, memory, d, work, n_inputs, base, z_base, lo, batch, seed)
            goes_on = False
            for j in range(2 * n * width, 2 * n * width + rows):
                is_small = work[j] <= tolerance * work[j + width]
                goes_on = goes_on or not is_small or work[j + 2 * width] != 0
            if not goes_on:
                break
        _out_rows(work, n, width, g, lo, rows)
