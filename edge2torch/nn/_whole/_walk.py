"""The walk through a whole acyclic graph, forward and backward, compiled by numba on first use.

Rows of a state are nodes in topological order, inputs first; a row holds ``width`` samples side by
side, a multiple of ``LANES``. A node is computed for all of them before the next one, so nothing
waits at a layer, and what needs the whole batch (batch normalisation) has it at hand. Imported only
when the engine runs: this file alone knows numba.

Values are vectors of ``LANES`` samples (``Lanes``), written out for LLVM: loops over arrays would
leave it to chance whether sums stay in registers. All are in one file, for numba's cache on disk
looks only at the file of the function that it keeps.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model
from numba.np.numpy_support import carray

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

LANES = 32

_I32 = ir.IntType(32)


def kept(function):
    """Compile with a cache on disk: beside this file, else the user's, else for this process only."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder that could be written to
        return njit(nogil=True)(function)


class Lanes(types.Type):
    """The value of one node for ``LANES`` samples."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        element = dmm.lookup(fe_type.dtype).get_value_type()
        super().__init__(dmm, fe_type, ir.VectorType(element, LANES))


# ----------------------------------------------------------------------------- LLVM, one by one


def _spread(context, builder, value, kind, dtype):
    """Return a vector: what is one already, or a number in every lane."""
    if isinstance(kind, Lanes):
        return value
    scalar = context.cast(builder, value, kind, dtype)
    return _repeat(builder, scalar)


def _repeat(builder, scalar):
    vector = ir.VectorType(scalar.type, LANES)
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, scalar, ir.Constant(_I32, 0))
    zeros = ir.Constant(ir.VectorType(_I32, LANES), [0] * LANES)
    return builder.shuffle_vector(one, undefined, zeros)


def _call(builder, name, result, arguments, **options):
    kinds = [one.type for one in arguments]
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, kinds), name)
    return builder.call(function, arguments, **options)


def _suffix(vector):
    return f"v{LANES}f{32 if vector.element == ir.FloatType() else 64}"


def _address(context, builder, kind, array, index):
    data = context.make_array(kind)(context, builder, array).data
    element = context.get_data_type(kind.dtype)
    size = 4 if element == ir.FloatType() else 8
    pointer = builder.bitcast(
        builder.gep(data, [index]), ir.VectorType(element, LANES).as_pointer()
    )
    return pointer, size


@intrinsic
def load(typingctx, array, index):
    """Return array[index : index + LANES]."""

    def code(context, builder, signature, arguments):
        pointer, size = _address(context, builder, array, *arguments)
        return builder.load(pointer, align=size)

    return Lanes(array.dtype)(array, types.intp), code


@intrinsic
def store(typingctx, array, index, lanes):
    """Set array[index : index + LANES]."""

    def code(context, builder, signature, arguments):
        pointer, size = _address(context, builder, array, *arguments[:2])
        builder.store(arguments[2], pointer, align=size)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), code


@intrinsic
def spread(typingctx, array, number):
    """Return a number in all lanes, of the array's type."""

    def code(context, builder, signature, arguments):
        return _spread(context, builder, arguments[1], number, array.dtype)

    return Lanes(array.dtype)(array, number), code


@intrinsic
def multiply_add(typingctx, a, b, c):
    """Return a * b + c, fused where the machine does."""
    kind = next(one for one in (a, b, c) if isinstance(one, Lanes))

    def code(context, builder, signature, arguments):
        values = [
            _spread(context, builder, value, one, kind.dtype)
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
        data = [
            context.make_array(kind)(context, builder, arguments[k]).data
            for k, kind in ((0, source), (3, into))
        ]
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


def _place(context, builder, array, address, index):
    element = context.get_data_type(array.dtype)
    return builder.gep(builder.inttoptr(address, element.as_pointer()), [index])


@intrinsic
def peek(typingctx, array, address, index):
    """Return number ``index`` of the vector at an address, of the array's type."""

    def code(context, builder, signature, arguments):
        return builder.load(_place(context, builder, array, *arguments[1:]))

    return array.dtype(array, types.int64, types.intp), code


@intrinsic
def poke(typingctx, array, address, index, value):
    """Set number ``index`` of the vector at an address."""

    def code(context, builder, signature, arguments):
        builder.store(arguments[3], _place(context, builder, array, *arguments[1:3]))
        return context.get_dummy_value()

    return types.void(array, types.int64, types.intp, array.dtype), code


@intrinsic
def pick(typingctx, a, b, yes, no):
    """Return, lane by lane, ``yes`` where a > b, else ``no``."""
    kind = next(one for one in (a, b, yes, no) if isinstance(one, Lanes))

    def code(context, builder, signature, arguments):
        left, right, first, second = (
            _spread(context, builder, value, one, kind.dtype)
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
        whole = ir.VectorType(ir.IntType(bits), LANES)
        value = builder.bitcast(arguments[0], whole)
        value = builder.shl(value, ir.Constant(whole, [digits] * LANES))
        value = builder.add(value, ir.Constant(whole, [one] * LANES))
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
        for k in range(LANES):
            at = ir.Constant(_I32, k)
            one = builder.extract_element(value, at)
            result = builder.insert_element(result, _call(builder, name, one.type, [one]), at)
        return result

    return lanes(lanes), code


@intrinsic
def draw_mask(typingctx, array, seed, counter, probability):
    """Return 0 with the given probability, else 1 / (1 - probability), by counter: same, same."""

    def code(context, builder, signature, arguments):
        whole = ir.VectorType(_I32, LANES)
        values = arguments[1:3]
        low, start = (_repeat(builder, builder.trunc(value, _I32)) for value in values)
        high = _repeat(
            builder, builder.trunc(builder.lshr(values[0], ir.Constant(values[0].type, 32)), _I32)
        )
        x = builder.add(start, ir.Constant(whole, list(range(LANES))))
        for key in (low, high):  # two rounds of a mixing of 32 bits
            x = builder.xor(x, key)
            for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, None)):
                x = builder.xor(x, builder.lshr(x, ir.Constant(whole, [shift] * LANES)))
                if factor is not None:
                    x = builder.mul(x, ir.Constant(whole, [factor] * LANES))
        element = context.get_data_type(array.dtype)
        vector = ir.VectorType(element, LANES)
        uniform = builder.uitofp(builder.lshr(x, ir.Constant(whole, [8] * LANES)), vector)
        uniform = builder.fmul(uniform, ir.Constant(vector, [2.0**-24] * LANES))
        p = _spread(context, builder, arguments[3], probability, array.dtype)
        scale = builder.fdiv(
            ir.Constant(vector, [1.0] * LANES), builder.fsub(ir.Constant(vector, [1.0] * LANES), p)
        )
        keep = builder.fcmp_ordered(">=", uniform, p)
        return builder.select(keep, scale, ir.Constant(vector, [0.0] * LANES))

    return Lanes(array.dtype)(array, types.int64, types.int64, probability), code


def _binary(operation, instruction):
    @intrinsic
    def apply(typingctx, a, b):
        kind = a if isinstance(a, Lanes) else b

        def code(context, builder, signature, arguments):
            left = _spread(context, builder, arguments[0], a, kind.dtype)
            right = _spread(context, builder, arguments[1], b, kind.dtype)
            return getattr(builder, instruction)(left, right)

        return kind(a, b), code

    @overload(operation)
    def choose(a, b):
        if isinstance(a, Lanes) or isinstance(b, Lanes):
            return lambda a, b: apply(a, b)  # noqa: PLW0108 - numba wants a function
        return None


_binary(operator.add, "fadd")
_binary(operator.sub, "fsub")
_binary(operator.mul, "fmul")
_binary(operator.truediv, "fdiv")


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
        return _spread(context, builder, arguments[1], number, lanes.dtype)

    return lanes(lanes, number), code


@njit
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


@njit
def exponential(x):
    scale, rest = _reduced(x)
    return multiply_add(scale, rest, scale)


@njit
def exponential_minus_one(x):
    scale, rest = _reduced(x)
    return multiply_add(scale, rest, scale - 1.0)


@njit
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


@njit
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


# ------------------------------------------------------- arrays by address: a call of many takes long


class Graph(NamedTuple):
    """What does not change from call to call; see :class:`Layout` and :class:`Tables`."""

    n_in: Any
    alone: Any
    crow: Any
    col: Any
    near: Any
    ccol: Any
    target: Any
    edge: Any
    place: Any
    out_of: Any
    slot: Any
    target_slot: Any
    segments: Any
    outs: Any
    node: Any
    norms: Any
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
    w: Any
    S: Any
    Z: Any
    G: Any
    dw: Any
    dn: Any


def pack(numbers, arrays):
    """Return numbers, then the address and length of each array, as one table of int64.

    The table does not keep the arrays: who calls does.
    """
    ends = [end for array in arrays for end in (array.ctypes.data, array.size)]
    return np.array([*map(int, numbers), *ends], np.int64)


def pack_graph(layout, tables, slots):
    """Return a graph's table, and the arrays that it points to."""
    counts = {np.int32: 10, np.int64: 4, np.float64: 3, np.int8: 1}  # as ``_graph`` reads them
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    held = {**vars(tables), **vars(layout), **slots}
    arrays = [
        np.ascontiguousarray(held[name], kind)
        for name, kind in zip(Graph._fields[2:], kinds, strict=True)
    ]
    return pack((layout.n_in, layout.alone), arrays), arrays


@intrinsic
def pointer(typingctx, address):
    """Return an address as a pointer."""

    def code(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), code


@njit
def _int32(of, k):
    return carray(pointer(of[2 + 2 * k]), of[3 + 2 * k], np.int32)


@njit
def _int64(of, k):
    return carray(pointer(of[2 + 2 * k]), of[3 + 2 * k], np.int64)


@njit
def _float64(of, k):
    return carray(pointer(of[2 + 2 * k]), of[3 + 2 * k], np.float64)


@njit
def _rows(array, width):
    return array.reshape((len(array) // width, width))


@njit
def _graph(address):
    of = carray(pointer(address), 2 + 2 * 18, np.int64)
    return Graph(
        of[0], of[1] != 0, _int32(of, 0), _int32(of, 1), _int32(of, 2), _int32(of, 3), _int32(of, 4),
        _int32(of, 5), _int32(of, 6), _int32(of, 7), _int32(of, 8), _int32(of, 9), _int64(of, 10),
        _int64(of, 11), _rows(_int64(of, 12), 4), _rows(_int64(of, 13), 4), _rows(_float64(of, 14), 3),
        _float64(of, 15), _float64(of, 16), carray(pointer(of[36]), of[37], np.int8),
    )  # fmt: skip


@njit
def _values(like, of, k):
    return carray(pointer(of[2 + 2 * k]), of[3 + 2 * k], like.dtype)


@njit
def _memory(like, address):
    of = carray(pointer(address), 2 + 2 * 9, np.int64)
    return Memory(
        of[0], of[1] != 0, _values(like, of, 0), _values(like, of, 1), _values(like, of, 2),
        _values(like, of, 3), _values(like, of, 4), _values(like, of, 5), _values(like, of, 6),
        _values(like, of, 7), _values(like, of, 8),
    )  # fmt: skip


@kept
def share_rows(n_in, segments, col, crow, ccol, target):
    """Return a row for each computed node's gradient, and how many rows that takes.

    A row is free for another once the node's first computed source has read it.
    """
    n = len(crow) - 1
    slot, free = np.empty(n, np.int32), np.empty(n, np.int32)
    first = np.empty(n, np.int32)
    for k in range(n):
        first[k] = k
        for e in range(crow[k], crow[k + 1]):  # sources in order
            if col[e] >= n_in:
                first[k] = col[e] - n_in
                break
    most = 0
    for part in range(len(segments) - 1):  # one after the other, in the same rows
        used, n_free = 0, 0
        for k in range(segments[part + 1] - n_in - 1, segments[part] - n_in - 1, -1):
            if n_free:
                n_free -= 1
                slot[k] = free[n_free]
            else:
                slot[k] = used
                used += 1
            if first[k] == k:
                free[n_free] = slot[k]
                n_free += 1
            for e in range(ccol[k + n_in], ccol[k + n_in + 1]):
                after = target[e] - n_in
                if first[after] == k:
                    free[n_free] = slot[after]
                    n_free += 1
        most = max(most, used)
    return slot, most


# ------------------------------------------------------------------------------------- the walks


@njit
def _in_columns(x, first, rows, n, S, base, width):
    """Copy samples x (b, n) from ``first`` on into rows S (n, width); the rest of a row is 0."""
    size = tile_size(S)
    even, whole = n - n % size, rows - rows % size
    for i in range(0, even, size):
        for j in range(0, whole, size):
            transpose_tile(x, (first + j) * n + i, n, S, base + i * width + j, width)
    for j in range(rows):
        at = (first + j) * n
        for i in range(0 if j >= whole else even, n):
            S[base + i * width + j] = x[at + i]
    for i in range(n):
        for j in range(rows, width):
            S[base + i * width + j] = 0.0


@njit
def _held(table):
    """Return addresses and lengths of vectors: their table has how many there are before these."""
    n = carray(pointer(table), 1, np.int64)[0]
    table = carray(pointer(table), 1 + 2 * n, np.int64)
    return table[1 : n + 1], table[n + 1 :]


@kept
def collect(table, flat):
    """Copy vectors from where they lie into one."""
    addresses, lengths = _held(table)
    at = 0
    for k in range(len(addresses)):
        for i in range(lengths[k]):
            flat[at + i] = peek(flat, addresses[k], i)
        at += lengths[k]


@kept
def learn(running, counts, moments, momentum, unbiased):
    """Move running means, then variances, towards the batch's, and count the batch."""
    running, lengths = _held(running)
    counts, _ = _held(counts)
    n, at = len(counts), 0
    for k in range(len(running)):
        share = moments.dtype.type(momentum[k % n])
        factor = moments.dtype.type(unbiased if k >= n else 1.0)
        for i in range(lengths[k]):
            old = peek(moments, running[k], i)
            poke(moments, running[k], i, old + share * (moments[at + i] * factor - old))
        at += lengths[k]
    for k in range(n):
        poke(counts, counts[k], 0, peek(counts, counts[k], 0) + 1)


@njit
def _edge_mask(w, seed, e, probability):
    return first_lane(draw_mask(w, ~seed, e, probability))


@njit
def _out_columns(S, base, width, outs, y, first, rows):
    """Copy rows ``outs`` of S into y (b, o), from sample ``first`` on."""
    n = len(outs)
    for i0 in range(0, n, 16):
        i1 = min(i0 + 16, n)
        for j in range(rows):
            at = (first + j) * n
            for i in range(i0, i1):
                y[at + i] = S[base + outs[i] * width + j]


@njit
def _read_column(y, first, rows, n, column, G, at, width):
    """Copy a column of y (b, n), from sample ``first`` on, into a row of G; its rest is 0."""
    for j in range(rows):
        G[at + j] = y[(first + j) * n + column]
    for j in range(rows, width):
        G[at + j] = 0.0


@njit
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


@njit
def _moments(S, row, width, batch, valid, mean_var, norm, n_norms, live):
    """Set mean and variance of a row, if they are to be this batch's."""
    if not live:
        return
    s = spread(S, 0.0)
    for q in range(0, width, LANES):
        s = multiply_add(load(S, row + q), load(valid, q), s)
    mean = total(s) / batch
    s = spread(S, 0.0)
    for q in range(0, width, LANES):
        d = (load(S, row + q) - mean) * load(valid, q)
        s = multiply_add(d, d, s)
    mean_var[norm] = mean
    mean_var[n_norms + norm] = total(s) / batch


@njit
def _write_column(S, row, width, y, first, rows, n, column):
    """Copy a row of S into a column of y (b, n), from sample ``first`` on."""
    for j in range(rows):
        y[(first + j) * n + column] = S[row * width + j]


@njit
def _compute(graph, memory, first, last, lo, base, z_base, batch, seed):
    """Compute nodes ``first`` to ``last``, for the samples from ``lo`` on."""
    n_in, crow, near = graph.n_in, graph.crow, graph.near
    node, numbers, norms, epsilon = graph.node, graph.numbers, graph.norms, graph.epsilon
    width, flat, moments, valid = memory.width, memory.flat, memory.moments, memory.valid
    w, S, Z = memory.w, memory.S, memory.Z
    n_norms = len(epsilon)
    zero = S.dtype.type(0)
    one = S.dtype.type(1)
    away, z_away = _places(first, last, graph.alone, node)
    for k in range(first, last):
        row = base + (n_in + k - away) * width
        code, z_row, norm, bias = node[k, 0], node[k, 1], node[k, 2], node[k, 3]
        a, b, drop = numbers[k, 0], numbers[k, 1], numbers[k, 2]
        start, stop = crow[k], crow[k + 1]
        shift = flat[bias] if bias >= 0 else zero
        z_at = z_base + (z_row - z_away) * width
        for q in range(0, width, LANES):
            z = spread(S, shift)
            for e in range(start, stop):
                z = multiply_add(load(S, base + near[e] * width + q), w[e], z)
            if norm < 0:
                if z_row >= 0:
                    store(Z, z_at + q, z)
                if code != IDENTITY:
                    z = activate(z, code, a, b)
                if drop > 0:
                    z = z * draw_mask(S, seed, (n_in + k) * batch + lo + q, drop)
            elif norms[norm, 3] != 0:
                if norms[norm, 3] == 2:
                    store(Z, z_at + width + q, z)
                z = activate(z, code, a, b)
                store(Z, z_at + q, z)
            store(S, row + q, z)
        if norm < 0:
            continue
        _moments(S, row, width, batch, valid, moments, norm, n_norms, norms[norm, 2])
        scale = one / np.sqrt(moments[n_norms + norm] + S.dtype.type(epsilon[norm]))
        mean = moments[norm]
        gain = flat[norms[norm, 0]] if norms[norm, 0] >= 0 else one
        lift = flat[norms[norm, 1]] if norms[norm, 1] >= 0 else zero
        for q in range(0, width, LANES):
            z = (load(S, row + q) - mean) * scale
            if norms[norm, 3] != 0:
                z = z * gain + lift
            else:
                store(Z, z_at + q, z)
                z = activate(z * gain + lift, code, a, b)
            if drop > 0:
                z = z * draw_mask(S, seed, (n_in + k) * batch + lo + q, drop)
            store(S, row + q, z)


@njit
def _places(first, last, alone, node):
    """Return by how many rows of the state, and of what is kept beside it, a segment moves up."""
    if not alone:
        return 0, 0
    for k in range(first, last):
        if node[k, 1] >= 0:
            return first, node[k, 1]
    return first, 0


@kept
def forward(like, graph, memory, parameters, x, y, batch, first_block, last_block, seed):
    """Compute blocks of samples x (b, i) into y (b, o), both by address.

    Parameters are collected, unless their table is 0. Where each segment is ``alone`` in the state,
    backward computes it once more.
    """
    graph, memory = _graph(graph), _memory(like, memory)
    n_in, alone, crow, segments, node = (
        graph.n_in,
        graph.alone,
        graph.crow,
        graph.segments,
        graph.node,
    )
    place, sign, edge_drop, outs, out_of = (
        graph.place, graph.sign, graph.edge_drop, graph.outs, graph.out_of
    )  # fmt: skip
    width, keeps, flat, w, S = memory.width, memory.keeps, memory.flat, memory.w, memory.S
    x = carray(pointer(x), batch * n_in, like.dtype)
    y = carray(pointer(y), batch * len(outs), like.dtype)
    if parameters:
        collect(parameters, flat)
    n_nodes = len(crow) - 1
    n, n_z, zero = n_in + n_nodes, node[n_nodes, 1], S.dtype.type(0)
    for e in range(len(place)):
        value = flat[place[e]]
        if sign[e] != 0:
            value = sign[e] * value if value > 0 else value * zero
        w[e] = value
    for e in range(len(edge_drop)):
        w[e] *= _edge_mask(w, seed, e, edge_drop[e])
    for block in range(first_block, last_block):
        lo = block * width
        base = lo * n if keeps else 0
        z_base = lo * n_z if keeps else 0
        rows = min(width, batch - lo)
        _in_columns(x, lo, rows, n_in, S, base, width)
        for part in range(len(segments) - 1):
            first, last = segments[part] - n_in, segments[part + 1] - n_in
            _compute(graph, memory, first, last, lo, base, z_base, batch, seed)
            if alone:
                begin = segments[part]
                for u in range(begin, segments[part + 1]):
                    if out_of[u] >= 0:
                        _write_column(S, n_in + u - begin, width, y, lo, rows, len(outs), out_of[u])
        if alone:
            for u in range(n_in):
                if out_of[u] >= 0:
                    _write_column(S, u, width, y, lo, rows, len(outs), out_of[u])
        else:
            _out_columns(S, base, width, outs, y, lo, rows)


@kept
def place_gradients(like, graph, memory, d_flat, seed):
    """Put the gradients where their parameters stand, into d_flat by address."""
    memory = _memory(like, memory)
    d_flat = carray(pointer(d_flat), len(memory.flat), like.dtype)
    _place_gradients(_graph(graph), memory, d_flat, seed)


@njit
def _place_gradients(graph, memory, d_flat, seed):
    place, sign, edge_drop = graph.place, graph.sign, graph.edge_drop
    node, norms = graph.node, graph.norms
    flat, dw, dn = memory.flat, memory.dw, memory.dn
    for e in range(len(place)):
        slot = place[e]
        value = dw[e]
        if len(edge_drop):
            value *= _edge_mask(dw, seed, e, edge_drop[e])
        if sign[e] != 0:
            value *= sign[e]
            if flat[slot] <= 0 and value > 0:  # held back: it would lower a weight at its bound
                value = value * 0
        d_flat[slot] = value
    n_nodes, n_norms = len(node) - 1, len(norms)
    for k in range(n_nodes):
        if node[k, 3] >= 0:
            d_flat[node[k, 3]] = dn[k]
    for k in range(n_norms):
        for c in range(2):
            if norms[k, c] >= 0:
                d_flat[norms[k, c]] = dn[n_nodes + c * n_norms + k]


@kept
def backward(like, graph, memory, gy, x, dx, d_flat, batch, first_block, last_block, seed):
    """Set dw (e,) and dn (nodes + 2 norms,) to the gradients of blocks of samples; fill dx.

    Arrays come by address: x only where segments are computed once more; dx where it is wanted;
    d_flat where the gradients are to go on there: else 0.

    Where dx is wanted, G has room for all rows; else nodes share some, see ``share_rows``.
    """
    graph, memory = _graph(graph), _memory(like, memory)
    n_in, alone, crow, col, ccol = graph.n_in, graph.alone, graph.crow, graph.col, graph.ccol
    edge, segments, out_of, slot = graph.edge, graph.segments, graph.out_of, graph.slot
    node, numbers, norms, epsilon, outs = (
        graph.node, graph.numbers, graph.norms, graph.epsilon, graph.outs
    )  # fmt: skip
    width, flat, moments, valid = memory.width, memory.flat, memory.moments, memory.valid
    w, S, Z, G, dw, dn = memory.w, memory.S, memory.Z, memory.G, memory.dw, memory.dn
    wants_dx, places = dx != 0, d_flat != 0
    into = graph.target if wants_dx else graph.target_slot
    gy = carray(pointer(gy), batch * len(outs), like.dtype)
    x = carray(pointer(x), batch * n_in, like.dtype)
    dx = carray(pointer(dx), batch * n_in, like.dtype)
    d_flat = carray(pointer(d_flat), len(flat), like.dtype)
    n_nodes = len(node) - 1
    n, n_norms, n_z = n_in + n_nodes, len(epsilon), node[n_nodes, 1]
    n_out = len(outs)
    zero = S.dtype.type(0)
    one = S.dtype.type(1)
    dw[:] = zero
    dn[:] = zero
    for block in range(first_block, last_block):
        lo = block * width
        base, z_base = (0, 0) if alone else (lo * n, lo * n_z)
        rows = min(width, batch - lo)
        if alone:
            _in_columns(x, lo, rows, n_in, S, base, width)
        for segment in range(len(segments) - 2, -1, -1):
            first, last = segments[segment] - n_in, segments[segment + 1] - n_in
            if alone:
                _compute(graph, memory, first, last, lo, base, z_base, batch, seed)
            away, z_away = _places(first, last, alone, node)
            for u in range(segments[segment + 1] - 1, segments[segment] - 1, -1):
                k = u - n_in
                row, at = base + (u - away) * width, (u if wants_dx else slot[k]) * width
                code, z_row, norm = node[k, 0], node[k, 1], node[k, 2]
                a, b, drop = numbers[k, 0], numbers[k, 1], numbers[k, 2]
                z_at = z_base + (z_row - z_away) * width
                gain, lift, mean, scale, late = one, zero, zero, one, False
                if norm >= 0:
                    gain = flat[norms[norm, 0]] if norms[norm, 0] >= 0 else one
                    lift = flat[norms[norm, 1]] if norms[norm, 1] >= 0 else zero
                    scale = one / np.sqrt(moments[n_norms + norm] + S.dtype.type(epsilon[norm]))
                    mean, late = moments[norm], norms[norm, 3] != 0
                if out_of[u] >= 0:
                    _read_column(gy, lo, rows, n_out, out_of[u], G, at, width)
                sum_g, sum_gz = spread(S, 0.0), spread(S, 0.0)
                for q in range(0, width, LANES):
                    s = load(S, row + q)
                    g = load(G, at + q) if out_of[u] >= 0 else spread(S, 0.0)
                    for e in range(ccol[u], ccol[u + 1]):
                        down = load(G, into[e] * width + q)
                        g = multiply_add(down, w[edge[e]], g)
                        dw[edge[e]] += total(down * s)
                    if drop > 0:
                        g = g * draw_mask(S, seed, u * batch + lo + q, drop)
                        s = s * (one - S.dtype.type(drop))
                    if late:
                        sum_gz = multiply_add(g, (load(Z, z_at + q) - mean) * scale, sum_gz)
                    elif norm >= 0:
                        z = load(Z, z_at + q)
                        g = g * slope(s, z * gain + lift, code, a, b)
                        sum_gz = multiply_add(g, z, sum_gz)
                    elif z_row >= 0:
                        g = g * slope(s, load(Z, z_at + q), code, a, b)
                    elif code != IDENTITY:
                        g = g * slope(s, s, code, a, b)
                    sum_g = sum_g + g
                    store(G, at + q, g)
                if norm >= 0:
                    by_lift, by_gain = total(sum_g), total(sum_gz)
                    dn[n_nodes + norm] += by_gain
                    dn[n_nodes + n_norms + norm] += by_lift
                    sum_g = spread(S, 0.0)
                    for q in range(0, width, LANES):
                        g, z = load(G, at + q), load(Z, z_at + q)
                        if norms[norm, 2] != 0:
                            y = (z - mean) * scale if late else z
                            pull = y * (by_gain / batch) + by_lift / batch
                            g = g - pull * load(valid, q)
                        g = g * (gain * scale)
                        if late:
                            below = load(Z, z_at + width + q) if norms[norm, 3] == 2 else z
                            g = g * slope(z, below, code, a, b)
                        sum_g = sum_g + g
                        store(G, at + q, g)
                dn[k] += total(sum_g)
                for e in range(crow[k], crow[k + 1]):  # sources in order: inputs come first
                    if col[e] >= n_in:
                        break
                    d = load(G, at) * load(S, base + col[e] * width)
                    for q in range(LANES, width, LANES):
                        d = multiply_add(load(G, at + q), load(S, base + col[e] * width + q), d)
                    dw[e] += total(d)
        if wants_dx:
            for u in range(n_in):
                if out_of[u] >= 0:
                    _read_column(gy, lo, rows, n_out, out_of[u], G, u * width, width)
                for q in range(0, width, LANES):
                    g = load(G, u * width + q) if out_of[u] >= 0 else spread(S, 0.0)
                    for e in range(ccol[u], ccol[u + 1]):
                        g = multiply_add(load(G, into[e] * width + q), w[edge[e]], g)
                    store(G, u * width + q, g)
            _out_rows(G, n_in, width, dx, lo, rows)
    if places:
        _place_gradients(graph, memory, d_flat, seed)
