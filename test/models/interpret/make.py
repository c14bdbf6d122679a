"""Writes goldens.json: single operations and what JAX on CPU says of them.

Wants Python with jax 0.10.2 and numpy. Run from this folder: python make.py
Each case: op, attributes, body (the operation of a reducer region), operands and results as places in `tensors`, and a
tolerance [relative, absolute]; no tolerance means equal in every bit (NaN is NaN). A tensor is [dtype, shape, base64 of
little-endian elements].
"""

import base64
import json

import jax
import ml_dtypes
import numpy as np
from jax import lax
from jax._src.lib import xla_client

jax.config.update("jax_enable_x64", True)
rng = np.random.default_rng(3)

TYPES = {
    "f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i1": np.bool_,
    "i4": ml_dtypes.int4, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
    "u4": ml_dtypes.uint4, "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64,
    "c64": np.complex64, "c128": np.complex128,
}
NAMES = {np.dtype(t): n for n, t in TYPES.items()}
FLOATS = ["f64", "f32", "f16", "bf16"]
SIGNED = ["i4", "i8", "i16", "i32", "i64"]
UNSIGNED = ["u4", "u8", "u16", "u32", "u64"]
CLOSE = {"f64": [1e-12, 1e-13], "f32": [1e-5, 1e-6], "f16": [2e-3, 1e-4], "bf16": [1.6e-2, 1e-3],
         "c64": [1e-5, 1e-6], "c128": [1e-11, 1e-12]}
cases = []
tensors = {}


def pack(x):
    x = np.asarray(x)
    name = NAMES[x.dtype]
    held = x.astype(np.int8) if name == "i4" else x
    text = json.dumps([name, list(x.shape), base64.b64encode(np.ascontiguousarray(held).tobytes()).decode()])
    return tensors.setdefault(text, len(tensors))


def case(op, operands, results, attributes=None, close=None, body=None):
    if not isinstance(results, (list, tuple)):
        results = [results]
    entry = {"op": op, "operands": [pack(x) for x in operands], "results": [pack(x) for x in results]}
    if attributes:
        entry["attributes"] = attributes
    if close:
        entry["close"] = close
    if body:
        entry["body"] = body
    cases.append(entry)


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.001, -0.37, 3.7, -7.25, 11.0, -30.5, 99.0,
           np.inf, -np.inf, np.nan, 0.999, -0.999, 4.0, 700.0, -3.0]


def floats(name):
    return np.array(SPECIAL, np.float64).astype(TYPES[name])


def edges(name):
    if name == "i1":
        return np.array([0, 1, 0, 1, 1, 0, 0, 1], np.bool_)
    signed = name.startswith("i")
    bits = int(name[1:])
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    values = [0, 1, 2, 3, 5, 7, high, high - 1, low, low + 1, high // 3, -1 if signed else high]
    return np.array(values, object).astype(np.int64 if signed else np.uint64).astype(TYPES[name])


with np.errstate(all="ignore"):
    unary = {
        "abs": lax.abs, "acos": lax.acos, "acosh": lax.acosh, "asin": lax.asin, "asinh": lax.asinh, "atan": lax.atan,
        "atanh": lax.atanh, "besselI1e": lax.bessel_i1e, "cbrt": lax.cbrt, "ceil": lax.ceil, "cosine": lax.cos,
        "cosh": lax.cosh, "digamma": lax.digamma, "erf": lax.erf, "erfInv": lax.erf_inv, "erfc": lax.erfc,
        "exponential": lax.exp, "exponentialMinusOne": lax.expm1, "floor": lax.floor, "isFinite": lax.is_finite,
        "lgamma": lax.lgamma, "log": lax.log, "logPlusOne": lax.log1p, "logistic": lax.logistic, "negate": lax.neg,
        "roundNearestAfz": lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO),
        "roundNearestEven": lambda x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN),
        "rsqrt": lax.rsqrt, "sign": lax.sign, "sine": lax.sin, "sinh": lax.sinh, "sqrt": lax.sqrt, "tan": lax.tan,
        "tanh": lax.tanh,
    }
    EXACT = {"abs", "ceil", "floor", "isFinite", "negate", "roundNearestAfz", "roundNearestEven", "sign"}
    for op, f in unary.items():
        for name in FLOATS:
            x = floats(name)
            case(op, [x], f(x), close=None if op in EXACT else CLOSE[name])
    ones = np.array([0.3 + 0.4j, -0.3 + 0.4j, 1.5 - 0.5j, -2 - 3j, 0.01 + 0.02j, 4 + 0.1j, 0j, 1 + 0j, -1 + 0.5j, 2j])
    for op in ["abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cosine", "cosh", "exponential",
               "exponentialMinusOne", "log", "logPlusOne", "logistic", "negate", "rsqrt", "sign", "sine", "sinh",
               "sqrt", "tan", "tanh"]:
        for name in ["c64", "c128"]:
            x = ones.astype(TYPES[name])
            case(op, [x], unary[op](x), close=CLOSE[name])

    pairs = {"add": lax.add, "atan2": lax.atan2, "divide": lax.div, "maximum": lax.max, "minimum": lax.min,
             "multiply": lax.mul, "nextAfter": lax.nextafter, "power": lax.pow, "remainder": lax.rem,
             "subtract": lax.sub}
    for op, f in pairs.items():
        for name in FLOATS:
            x, y = (g.ravel() for g in np.meshgrid(floats(name)[::2], floats(name)[1::3]))
            exact = op in {"add", "divide", "maximum", "minimum", "multiply", "subtract", "nextAfter"}
            case(op, [x, y], f(x, y), close=None if exact else CLOSE[name])
        if op in {"add", "divide", "multiply", "power", "subtract"}:
            for name in ["c64", "c128"]:
                x, y = (g.ravel().astype(TYPES[name]) for g in np.meshgrid(ones[:6], ones[:6]))
                case(op, [x, y], f(x, y), close=CLOSE[name])
    for name in ["f64", "f32"]:
        x = np.array([1.5, 2.0, 3.0, 10.0, 1.1], TYPES[name])
        q = np.array([0.5, 1.0, 2.5, 7.0, 30.0], TYPES[name])
        case("zeta", [x, q], lax.zeta(x, q), close=CLOSE[name])
        n = np.array([0, 1, 2, 3, 5], TYPES[name])
        case("polygamma", [n, q], lax.polygamma(n, q), close=[1e-5, 1e-6] if name == "f32" else [1e-11, 1e-12])

    compare = {"EQ": lax.eq, "NE": lax.ne, "LT": lax.lt, "LE": lax.le, "GT": lax.gt, "GE": lax.ge}
    for direction, f in compare.items():
        for name in FLOATS + ["i1", "i4", "i8", "i64", "u32", "u64"]:
            source = floats(name) if name in FLOATS else edges(name)
            x, y = (g.ravel() for g in np.meshgrid(source[::3], source[::2]))
            case("compare", [x, y], f(x, y), {"direction": direction})

    for name in ["i4", "i8", "i32", "i64", "u4", "u8", "u32", "u64", "i1"]:
        e = edges(name)
        x, y = (g.ravel() for g in np.meshgrid(e[::2] if name != "i1" else e, e))
        two = {"and": lax.bitwise_and, "maximum": lax.max, "minimum": lax.min,
               "or": lax.bitwise_or, "xor": lax.bitwise_xor}
        one = {"not": lax.bitwise_not}
        if name != "i1":
            two |= {"add": lax.add, "multiply": lax.mul, "divide": lax.div, "remainder": lax.rem, "subtract": lax.sub, "shiftLeft": lax.shift_left,
                    "shiftRightArithmetic": lax.shift_right_arithmetic,
                    "shiftRightLogical": lax.shift_right_logical}
            one |= {"abs": lax.abs, "countLeadingZeros": lax.clz, "negate": lax.neg,
                    "populationCount": lax.population_count, "sign": lax.sign}
        for op, f in two.items():
            try:
                case(op, [x, y], f(x, y))
            except TypeError:
                print("JAX has no", op, "on", name)
        for op, f in one.items():
            # XLA counts the sign's copies in the byte that holds an i4.
            if op == "populationCount" and name == "i4":
                continue
            try:
                case(op, [e], f(e))
            except TypeError:
                print("JAX has no", op, "on", name)

    for source in FLOATS + SIGNED + UNSIGNED + ["i1", "c64", "c128"]:
        if source in FLOATS:
            x = np.concatenate([floats(source), np.array([3e9, -3e9, 1e20, -1e20, 127.6, 200.9, -129.0, 65536.0],
                                                         np.float64).astype(TYPES[source])])
        elif source in ("c64", "c128"):
            x = ones.astype(TYPES[source])
        else:
            x = edges(source)
        for target in TYPES:
            if source.startswith("c") and not target.startswith("c"):
                continue
            case("convert", [x], lax.convert_element_type(x, TYPES[target]), {"dtype": target})

    for bits in [(5, 10), (8, 7), (4, 3), (8, 23), (11, 52)]:
        x = np.array([1.1, -3.14159, 65519.0, 65520.0, 1e-5, 1e-9, 448.0, 600.0, np.inf, np.nan, 0.0, -0.0], np.float32)
        case("reducePrecision", [x], lax.reduce_precision(x, *bits),
             {"exponentBits": bits[0], "mantissaBits": bits[1]})

    # Bits, sums, windows.
    for source, target in [("f32", "i32"), ("f32", "u8"), ("i64", "u16"), ("u8", "f32"), ("u16", "f64"), ("i8", "u8")]:
        x = rng.integers(0, 200, (3, 8)).astype(TYPES[source])
        sizes = np.dtype(TYPES[source]).itemsize, np.dtype(TYPES[target]).itemsize
        if sizes[0] < sizes[1]:
            x = x[:, : sizes[1] // sizes[0]].copy()
        case("bitcastConvert", [x], lax.bitcast_convert_type(x, TYPES[target]), {"dtype": target})

    for name in FLOATS + ["i8", "i32", "i64", "u32", "c64", "i1"]:
        scale = lambda *s: (rng.standard_normal(s) * 3).astype(np.float64)
        a, b = scale(2, 3, 5).astype(TYPES[name]), scale(2, 5, 4).astype(TYPES[name])
        if name == "i1":
            continue
        case("dotGeneral", [a, b], lax.dot_general(a, b, (((2,), (1,)), ((0,), (0,)))),
             {"lhsBatching": [0], "rhsBatching": [0], "lhsContracting": [2], "rhsContracting": [1]},
             close=CLOSE.get(name))
    def conv(x, w, groups=1, batch=1, strides=(2, 1), dilation=(1, 1), base=(1, 1), pads=((1, 2), (0, -1)), close=None):
        result = lax.conv_general_dilated(
            x, w, strides, pads, lhs_dilation=base, rhs_dilation=dilation, feature_group_count=groups,
            batch_group_count=batch, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        case("convolution", [x, w], result, {
            "strides": strides, "padding": pads, "lhsDilation": base, "rhsDilation": dilation, "inputBatch": 0,
            "inputFeature": 3, "inputSpatial": [1, 2], "kernelInputFeature": 2, "kernelOutputFeature": 3,
            "kernelSpatial": [0, 1], "outputBatch": 0, "outputFeature": 3, "outputSpatial": [1, 2],
            "featureGroups": groups, "batchGroups": batch}, close=close)
    for name in ["f32", "f16", "i32", "c64"]:
        n = lambda *s: (rng.standard_normal(s) * 3).astype(TYPES[name])
        conv(n(2, 5, 6, 4), n(3, 2, 4, 6), close=CLOSE.get(name))
        conv(n(2, 5, 6, 4), n(3, 2, 2, 6), groups=2, close=CLOSE.get(name))
        if name == "f32":
            conv(n(4, 5, 6, 4), n(3, 2, 4, 6), batch=2, close=CLOSE.get(name))
            conv(n(1, 4, 3, 2), n(3, 2, 2, 3), strides=(1, 1), base=(2, 3), dilation=(2, 1), close=CLOSE.get(name))

    bodies = {"add": (lax.add, 0), "maximum": (lax.max, None), "minimum": (lax.min, None), "multiply": (lax.mul, 1)}
    for name in ["f32", "bf16", "i8", "i64", "u8", "i4"]:
        for body, (f, start) in bodies.items():
            x = rng.integers(0, 6, (3, 4, 5)).astype(TYPES[name])
            first = np.asarray(2 if start is None else start, TYPES[name])
            loose = CLOSE.get(name)
            case("reduce", [x, first], lax.reduce(x, first, f, (0, 2)), {"dimensions": [0, 2]}, close=loose, body=body)
            if name == "i4":
                continue
            result = lax.reduce_window(x, first, f, (1, 2, 3), (1, 1, 2), ((0, 0), (1, 0), (1, 1)),
                                       base_dilation=(1, 2, 1), window_dilation=(1, 1, 2))
            case("reduceWindow", [x, first], result, {
                "windowDimensions": [1, 2, 3], "windowStrides": [1, 1, 2], "baseDilations": [1, 2, 1],
                "windowDilations": [1, 1, 2], "padding": [[0, 0], [1, 0], [1, 1]]}, close=loose, body=body)

    for kind, shape, length in [("FFT", (2, 8), [8]), ("IFFT", (2, 7), [7]), ("RFFT", (3, 6), [6]), ("RFFT", (3, 5), [5]),
                                ("IRFFT", (2, 4, 4), [4, 6]), ("IRFFT", (2, 4), [7]), ("FFT", (2, 3, 4, 5), [3, 4, 5]),
                                ("RFFT", (4, 6), [4, 6])]:
        x = rng.standard_normal(shape)
        x = x.astype(np.float64) if kind == "RFFT" else (x + 1j * rng.standard_normal(shape))
        case("fft", [x], lax.fft(x, kind, tuple(length)), {"kind": kind, "length": length}, close=[1e-12, 1e-12])
    for name in ["f32", "f64", "c64"]:
        m = rng.standard_normal((2, 4, 4)) + (1j * rng.standard_normal((2, 4, 4)) if name == "c64" else 0)
        spd = (m @ np.conj(np.swapaxes(m, 1, 2)) + 4 * np.eye(4)).astype(TYPES[name])
        case("cholesky", [spd], np.tril(lax.linalg.cholesky(spd)), {"lower": True}, close=CLOSE[name])
        a = np.tril(m + 3 * np.eye(4)).astype(TYPES[name])
        for left in (True, False):
            for transpose in ("NO_TRANSPOSE", "TRANSPOSE", "ADJOINT"):
                for unit in (False, True):
                    b = rng.standard_normal((2, 4, 3) if left else (2, 3, 4)).astype(TYPES[name])
                    x = lax.linalg.triangular_solve(a, b, left_side=left, lower=True, unit_diagonal=unit,
                                                    transpose_a=transpose == "TRANSPOSE" or transpose == "ADJOINT",
                                                    conjugate_a=transpose == "ADJOINT")
                    case("triangularSolve", [a, b], x, {"leftSide": left, "lower": True, "unitDiagonal": unit,
                                                       "transposeA": transpose}, close=[1e-4, 1e-5])

    x = np.array([[3, 1, 2, 3, -1, 0], [5, 5, 5, 1, 9, -9]])
    for name in ["f32", "f16", "i8", "i64", "u32"]:
        y = (abs(x) if name[0] == "u" else x).astype(TYPES[name])
        if name == "f32":
            y[0, 2] = np.nan
        case("topK", [y], lax.top_k(y, 4), {"k": 4})


def random_bits(algorithm, words, name, shape):
    kind = name.replace("u", "ui")
    size = "x".join(map(str, [*shape, kind]))
    text = f"""module @m {{ func.func @main(%s: tensor<{words}xui64>) -> (tensor<{words}xui64>, tensor<{size}>) {{
      %0, %1 = stablehlo.rng_bit_generator %s, algorithm = {algorithm}
        : (tensor<{words}xui64>) -> (tensor<{words}xui64>, tensor<{size}>)
      return %0, %1 : tensor<{words}xui64>, tensor<{size}> }} }}"""
    devices = xla_client.DeviceList(tuple(jax.devices()[:1]))
    program = jax.devices()[0].client.compile_and_load(text, devices, xla_client.CompileOptions())
    state = np.array([0x123456789ABCDEF, 2**64 - 2, 77][:words], np.uint64)
    out = program.execute_sharded([jax.device_put(state)]).disassemble_into_single_device_arrays()
    case("rngBitGenerator", [state], [np.asarray(o[0]) for o in out],
         {"algorithm": algorithm, "dtype": name, "shape": shape})


for algorithm, words in [("THREE_FRY", 2), ("PHILOX", 2), ("PHILOX", 3)]:
    for name in ["u8", "u16", "u32", "u64"]:
        for shape in [[], [5], [3, 4], [3, 3, 3]]:
            random_bits(algorithm, words, name, shape)

with open("goldens.json", "w") as out:
    listed = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    out.write('{"tensors":[\n' + ",\n".join(tensors) + '\n],"cases":[\n' + listed + "\n]}\n")
print(len(cases), "cases")
