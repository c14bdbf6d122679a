# Small models for the TFLite importer's tests: tensorflow 2.21 (with its Keras 3), ai-edge-litert 2, flatbuffers, numpy.
# python make.py ops    one operator each, in ops/      python make.py models   whole ones, in models/
# Goldens: python golden.py ops ops.json; python golden.py models models.json.
import os, sys
import numpy as np
import flatbuffers
from flatbuffers import flexbuffers
from ai_edge_litert import schema_py_generated as s

here = os.path.dirname(os.path.abspath(__file__))
TYPES = {"f32": (s.TensorType.FLOAT32, np.float32), "i8": (s.TensorType.INT8, np.int8), "u8": (s.TensorType.UINT8, np.uint8),
         "i16": (s.TensorType.INT16, np.int16), "i32": (s.TensorType.INT32, np.int32), "i64": (s.TensorType.INT64, np.int64),
         "i1": (s.TensorType.BOOL, np.bool_), "u32": (s.TensorType.UINT32, np.uint32), "f16": (s.TensorType.FLOAT16, np.float16),
         "i4": (s.TensorType.INT4, np.int8), "u16": (s.TensorType.UINT16, np.uint16), "c64": (s.TensorType.COMPLEX64, np.complex64), "f64": (s.TensorType.FLOAT64, np.float64)}


class T:
    """A tensor: of a type and shape, with a constant's data, scales and zero points."""

    def __init__(self, type, shape, data=None, scale=None, zero=0, axis=0, variable=False):
        self.type, self.shape, self.data, self.scale, self.zero, self.axis, self.variable = type, shape, data, scale, zero, axis, variable


def const(type, values, **kw):
    a = np.asarray(values, TYPES[type][1])
    return T(type, list(a.shape), a, **kw)


def numbers(shape, seed, scale=1.0):
    return (np.random.RandomState(seed).randn(*shape) * scale).astype(np.float32)


def integers(shape, seed, low=-127, high=127):
    return np.random.RandomState(seed).randint(low, high + 1, shape)


def model(name, op, inputs, outputs, options=None, extra=(), folder="ops", custom=None):
    """One operator (its inputs may be None) whose inputs without data are the model's."""
    m = s.ModelT()
    m.version = 3
    m.description = ""
    m.buffers = [s.BufferT()]
    code = s.OperatorCodeT()
    op_name, op = (op, "CUSTOM") if custom else (None, op)
    number = getattr(s.BuiltinOperator, op)
    code.builtinCode = number
    code.deprecatedBuiltinCode = min(number, 127)
    code.version = 1
    if custom:
        code.customCode = op_name
    m.operatorCodes = [code]
    g = s.SubGraphT()
    g.tensors, g.inputs, g.outputs = [], [], []

    def add(t):
        x = s.TensorT()
        x.name = f"t{len(g.tensors)}"
        x.type = TYPES[t.type][0]
        x.shape = list(t.shape)
        x.buffer = 0
        x.isVariable = t.variable
        if t.data is not None:
            b = s.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(t.data).tobytes(), np.uint8)
            if t.type == "i4":
                nibbles = np.append(b.data & 15, [0] * (len(b.data) % 2)).astype(np.uint8)
                b.data = nibbles[0::2] | nibbles[1::2] << 4
            x.buffer = len(m.buffers)
            m.buffers.append(b)
        if t.scale is not None:
            q = s.QuantizationParametersT()
            q.scale = list(np.atleast_1d(t.scale).astype(np.float32))
            q.zeroPoint = list(np.broadcast_to(np.atleast_1d(t.zero), np.atleast_1d(t.scale).shape).astype(np.int64))
            q.quantizedDimension = t.axis
            x.quantization = q
        g.tensors.append(x)
        return len(g.tensors) - 1

    o = s.OperatorT()
    o.opcodeIndex = 0
    o.inputs = [-1 if t is None else add(t) for t in inputs]
    g.inputs = [i for i, t in zip(o.inputs, inputs) if t is not None and t.data is None and not t.variable]
    o.outputs = [add(t) for t in outputs]
    o.intermediates = [add(t) for t in extra]
    g.outputs = list(o.outputs)
    if custom:
        o.customOptions = np.frombuffer(flexbuffers.Dumps(custom), np.uint8)
    if options is not None:
        kind = type(options).__name__[:-1]
        if hasattr(s.BuiltinOptions, kind):
            o.builtinOptionsType, o.builtinOptions = getattr(s.BuiltinOptions, kind), options
        else:
            o.builtinOptions2Type, o.builtinOptions2 = getattr(s.BuiltinOptions2, kind), options
    g.operators = [o]
    m.subgraphs = [g]
    b = flatbuffers.Builder(1024)
    b.Finish(m.Pack(b), b"TFL3")
    os.makedirs(os.path.join(here, folder), exist_ok=True)
    with open(os.path.join(here, folder, name + ".tflite"), "wb") as f:
        f.write(bytes(b.Output()))


def opt(kind, **values):
    o = getattr(s, kind + "T")()
    for k, v in values.items():
        assert hasattr(o, k), (kind, k, list(vars(o)))
        setattr(o, k, v)
    return o


Q = {"i8": dict(scale=0.03, zero=5), "u8": dict(scale=0.02, zero=120), "i16": dict(scale=0.0004, zero=0)}
R = {"i8": dict(scale=0.05, zero=-11), "u8": dict(scale=0.04, zero=90), "i16": dict(scale=0.0007, zero=0)}
W = {"i8": dict(scale=0.02, zero=-20), "u8": dict(scale=0.03, zero=140), "i16": dict(scale=0.0005, zero=0)}


def q(type, shape, table=Q):
    return T(type, shape, **(table.get(type, {})))


def ops():
    shape = [2, 3, 4, 5]
    fused = lambda kind, act=0, **kw: opt(kind, fusedActivationFunction=act, **kw)
    for t in ("f32", "i8", "u8", "i16"):
        for op, kind in (("ADD", "AddOptions"), ("SUB", "SubOptions"), ("MUL", "MulOptions")):
            extra = {} if op == "MUL" else {"potScaleInt16": False}
            model(f"{op.lower()}_{t}", op, [q(t, shape), q(t, [4, 1], W)], [q(t, shape, R)], fused(kind, 3 if t == "f32" else 1, **extra))
        model(f"maximum_{t}", "MAXIMUM", [q(t, shape), q(t, [5])], [q(t, shape)], opt("MaximumMinimumOptions"))
        for op in ("EQUAL", "LESS", "GREATER_EQUAL"):
            kind = {"EQUAL": "EqualOptions", "LESS": "LessOptions", "GREATER_EQUAL": "GreaterEqualOptions"}[op]
            if t != "i16":
                model(f"{op.lower()}_{t}", op, [q(t, shape), q(t, [4, 5], W)], [T("i1", shape)], opt(kind))
        for op in ("RELU", "RELU6", "RELU_N1_TO_1"):
            model(f"{op.lower()}_{t}", op, [q(t, shape)], [q(t, shape, R)])
        model(f"leaky_relu_{t}", "LEAKY_RELU", [q(t, shape)], [q(t, shape, R)], opt("LeakyReluOptions", alpha=0.3))
        if t != "i16":
            alpha = const("f32", numbers([5], 1)) if t == "f32" else const(t, integers([5], 1, 0, 120), **W[t])
            model(f"prelu_{t}", "PRELU", [q(t, shape), alpha], [q(t, shape, R)])
            model(f"hard_swish_{t}", "HARD_SWISH", [q(t, shape)], [q(t, shape, R)], opt("HardSwishOptions"))
            model(f"l2_norm_{t}", "L2_NORMALIZATION", [q(t, [3, 7])], [T(t, [3, 7], scale=1 / 128, zero=128 if t == "u8" else 0) if t != "f32" else T(t, [3, 7])], fused("L2NormOptions"))
            model(f"log_softmax_{t}", "LOG_SOFTMAX", [q(t, [3, 7])], [T(t, [3, 7], scale=16 / 256, zero=255 if t == "u8" else 127) if t != "f32" else T(t, [3, 7])], opt("LogSoftmaxOptions"))
        p = {"i8": dict(scale=1 / 256, zero=-128), "u8": dict(scale=1 / 256, zero=0), "i16": dict(scale=1 / 32768, zero=0), "f32": {}}[t]
        model(f"softmax_{t}", "SOFTMAX", [q(t, [3, 7], {**Q, "i16": dict(scale=0.001, zero=0)})], [T(t, [3, 7], **p)], opt("SoftmaxOptions", beta=1.0))
        model(f"softmax_beta_{t}", "SOFTMAX", [q(t, [3, 7], {"i8": dict(scale=0.3, zero=5), "u8": dict(scale=0.3, zero=5), "i16": dict(scale=0.003, zero=0)})], [T(t, [3, 7], **p)], opt("SoftmaxOptions", beta=0.7))
        model(f"logistic_{t}", "LOGISTIC", [q(t, [7, 73])], [T(t, [7, 73], **p)])
        th = {"i8": dict(scale=1 / 128, zero=0), "u8": dict(scale=1 / 128, zero=128), "i16": dict(scale=1 / 32768, zero=0), "f32": {}}[t]
        model(f"tanh_{t}", "TANH", [q(t, [7, 73])], [T(t, [7, 73], **th)])
        model(f"concat_{t}", "CONCATENATION", [q(t, [2, 3]), q(t, [2, 4], Q if t in ("i8", "i16") else W)], [q(t, [2, 7], Q if t in ("i8", "i16") else R)], fused("ConcatenationOptions", axis=-1))
        model(f"pad_{t}", "PAD", [q(t, [2, 3, 4]), const("i32", [[0, 1], [2, 0], [1, 1]])], [q(t, [3, 5, 6])], opt("PadOptions"))
        model(f"mirror_pad_{t}", "MIRROR_PAD", [q(t, [3, 4]), const("i32", [[1, 2], [2, 3]])], [q(t, [6, 9])], opt("MirrorPadOptions", mode=1))
        for op in ("MEAN", "SUM"):
            model(f"{op.lower()}_{t}", op, [q(t, shape), const("i32", [1, 2])], [q(t, [2, 1, 1, 5], {"i8": dict(scale=0.05, zero=3), "u8": dict(scale=0.05, zero=100), "i16": dict(scale=0.0006, zero=0)} if op == "MEAN" else {"i8": dict(scale=0.4, zero=3), "u8": dict(scale=0.4, zero=100), "i16": dict(scale=0.004, zero=0)})], opt("ReducerOptions", keepDims=True))
            model(f"{op.lower()}_last_{t}", op, [q(t, shape), const("i32", [-1])], [q(t, [2, 3, 4], R if op == "MEAN" else {"i8": dict(scale=0.4, zero=3), "u8": dict(scale=0.4, zero=100), "i16": dict(scale=0.004, zero=0)})], opt("ReducerOptions", keepDims=False))
        model(f"reduce_max_{t}", "REDUCE_MAX", [q(t, shape), const("i32", [0, 2])], [q(t, [3, 5])], opt("ReducerOptions", keepDims=False))
        model(f"reduce_min_{t}", "REDUCE_MIN", [q(t, shape), const("i32", [0, 2])], [q(t, [3, 5])], opt("ReducerOptions", keepDims=False))
        for pad in (0, 1):
            for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
                out = [2, 4, 3, 3] if pad == 0 else [2, 3, 2, 3]
                model(f"{op.lower()}_{'same' if pad == 0 else 'valid'}_{t}", op, [q(t, [2, 7, 6, 3])], [q(t, out)], opt("Pool2DOptions", padding=pad, strideW=2, strideH=2, filterWidth=3, filterHeight=3 if pad else 2, fusedActivationFunction=1))
        for half, align in ((0, 0), (1, 0), (0, 1)):
            o = dict(alignCorners=bool(align), halfPixelCenters=bool(half))
            model(f"resize_bilinear_{half}{align}_{t}", "RESIZE_BILINEAR", [q(t, [1, 4, 5, 2]), const("i32", [7, 8])], [q(t, [1, 7, 8, 2])], opt("ResizeBilinearOptions", **o))
            model(f"resize_nearest_{half}{align}_{t}", "RESIZE_NEAREST_NEIGHBOR", [q(t, [1, 4, 5, 2]), const("i32", [7, 8])], [q(t, [1, 7, 8, 2])], opt("ResizeNearestNeighborOptions", **o))
        model(f"squared_difference_{t}", "SQUARED_DIFFERENCE", [q(t, shape), q(t, [5], W)], [q(t, shape, R)], opt("SquaredDifferenceOptions")) if t in ("f32", "i8") else None
        model(f"arg_max_{t}", "ARG_MAX", [q(t, [3, 7]), const("i32", -1)], [T("i32", [3])], opt("ArgMaxOptions", outputType=2)) if t != "i16" else None
        # Weights: 8-bit ones for small integers, a float one for floats.
        wide = "i64" if t == "i16" else "i32"
        for per in ("tensor", "channel"):
            if t == "f32" and per == "channel" or t == "u8" and per == "channel":
                continue
            def weights(sh, axis, seed):
                if t == "f32":
                    return const("f32", numbers(sh, seed, 0.3))
                if t == "u8":
                    return const("u8", integers(sh, seed, 0, 255), scale=0.01, zero=130)
                n = sh[axis]
                return const("i8", integers(sh, seed), scale=0.004 + 0.001 * np.arange(n) if per == "channel" else 0.006, axis=axis)
            def bias(n, seed):
                return const("f32", numbers([n], seed)) if t == "f32" else const(wide, integers([n], seed, -3000, 3000), scale=1e-4)
            big = {"i8": dict(scale=0.1, zero=-7), "u8": dict(scale=0.1, zero=120), "i16": dict(scale=0.002, zero=0)}
            model(f"conv_{per}_{t}", "CONV_2D", [q(t, [1, 7, 6, 3]), weights([4, 3, 2, 3], 0, 3), bias(4, 4)], [q(t, [1, 4, 3, 4], big)], opt("Conv2DOptions", padding=0, strideW=2, strideH=2, dilationWFactor=1, dilationHFactor=1, fusedActivationFunction=1))
            model(f"conv_dilated_{per}_{t}", "CONV_2D", [q(t, [1, 7, 6, 3]), weights([4, 3, 2, 3], 0, 3), bias(4, 4)], [q(t, [1, 3, 3, 4], big)], opt("Conv2DOptions", padding=1, strideW=1, strideH=1, dilationWFactor=3, dilationHFactor=2, fusedActivationFunction=0))
            model(f"depthwise_{per}_{t}", "DEPTHWISE_CONV_2D", [q(t, [1, 7, 6, 3]), weights([1, 3, 3, 6], 3, 5), bias(6, 6)], [q(t, [1, 4, 3, 6], big)], opt("DepthwiseConv2DOptions", padding=0, strideW=2, strideH=2, depthMultiplier=2, dilationWFactor=1, dilationHFactor=1, fusedActivationFunction=3))
            model(f"transpose_conv_{per}_{t}", "TRANSPOSE_CONV", [const("i32", [1, 8, 9, 4]), weights([4, 3, 3, 3], 0, 7), q(t, [1, 4, 5, 3]), bias(4, 8)], [q(t, [1, 8, 9, 4], big)], opt("TransposeConvOptions", padding=0, strideW=2, strideH=2))
            model(f"transpose_conv_valid_{per}_{t}", "TRANSPOSE_CONV", [const("i32", [1, 9, 11, 4]), weights([4, 3, 3, 3], 0, 7), q(t, [1, 4, 5, 3])], [q(t, [1, 9, 11, 4], big)], opt("TransposeConvOptions", padding=1, strideW=2, strideH=2))
            model(f"fully_connected_{per}_{t}", "FULLY_CONNECTED", [q(t, [3, 12]), weights([5, 12], 0, 9), bias(5, 10)], [q(t, [3, 5], big)], opt("FullyConnectedOptions", fusedActivationFunction=1))
        if t in ("f32", "i8"):
            model(f"batch_matmul_{t}", "BATCH_MATMUL", [q(t, [2, 3, 4]), q(t, [2, 5, 4], W)], [q(t, [2, 3, 5], big)], opt("BatchMatMulOptions", adjX=False, adjY=True))
            model(f"batch_matmul_x_{t}", "BATCH_MATMUL", [q(t, [2, 4, 3]), q(t, [4, 5], W)], [q(t, [2, 3, 5], big)], opt("BatchMatMulOptions", adjX=True, adjY=False))
        model(f"gather_{t}", "GATHER", [q(t, [4, 5, 3]), const("i32", [[1, 0], [4, 2]])], [q(t, [4, 2, 2, 3])], opt("GatherOptions", axis=1, batchDims=0))
        model(f"strided_slice_{t}", "STRIDED_SLICE", [q(t, [4, 5, 6]), const("i32", [3, 1, -1]), const("i32", [0, 5, -7]), const("i32", [-2, 3, -1])], [q(t, [2, 2, 6])], opt("StridedSliceOptions", beginMask=0, endMask=0))
        model(f"topk_{t}", "TOPK_V2", [q(t, [3, 9]), const("i32", 4)], [q(t, [3, 4]), T("i32", [3, 4])], opt("TopKV2Options")) if t != "i16" else None
        model(f"space_to_batch_{t}", "SPACE_TO_BATCH_ND", [q(t, [1, 5, 4, 2]), const("i32", [2, 3]), const("i32", [[1, 0], [0, 2]])], [q(t, [6, 3, 2, 2])], opt("SpaceToBatchNDOptions")) if t != "i16" else None
        model(f"batch_to_space_{t}", "BATCH_TO_SPACE_ND", [q(t, [6, 3, 2, 2]), const("i32", [2, 3]), const("i32", [[1, 0], [0, 2]])], [q(t, [1, 5, 4, 2])], opt("BatchToSpaceNDOptions")) if t != "i16" else None
    for t in ("i8", "i16"):
        model(f"abs_{t}", "ABS", [q(t, shape)], [q(t, shape, R)], opt("AbsOptions"))
        model(f"exp_{t}", "EXP", [q(t, shape)], [q(t, shape, {"i8": dict(scale=0.2, zero=-128), "i16": dict(scale=0.01, zero=0)})], opt("ExpOptions"))
        model(f"log_{t}", "LOG", [T(t, shape, **{"i8": dict(scale=0.1, zero=-128), "i16": dict(scale=0.001, zero=0)}[t])], [q(t, shape, R)])
        model(f"sqrt_{t}", "SQRT", [T(t, shape, **{"i8": dict(scale=0.1, zero=-128), "i16": dict(scale=0.001, zero=0)}[t])], [q(t, shape, R)])
        model(f"rsqrt_{t}", "RSQRT", [T(t, shape, **{"i8": dict(scale=0.1, zero=-128), "i16": dict(scale=0.001, zero=0)}[t])], [q(t, shape, R)])
        model(f"elu_{t}", "ELU", [q(t, shape)], [q(t, shape, R)]) if t == "i8" else None
        model(f"gelu_{t}", "GELU", [q(t, shape)], [q(t, shape, R)], opt("GeluOptions", approximate=False))
        model(f"quantize_{t}", "QUANTIZE", [T("f32", shape)], [q(t, shape)], opt("QuantizeOptions"))
        model(f"dequantize_{t}", "DEQUANTIZE", [q(t, shape)], [T("f32", shape)], opt("DequantizeOptions"))
        model(f"requantize_{t}", "QUANTIZE", [q(t, shape)], [q(t, shape, R)], opt("QuantizeOptions"))
    model("neg_i8", "NEG", [q("i8", shape)], [q("i8", shape)], opt("NegOptions"))
    model("requantize_i16_i8", "QUANTIZE", [q("i16", shape)], [q("i8", shape, R)], opt("QuantizeOptions"))
    model("requantize_i8_u8", "QUANTIZE", [q("i8", shape)], [T("u8", shape, scale=0.03, zero=133)], opt("QuantizeOptions"))
    model("gelu_approximate_i8", "GELU", [q("i8", shape)], [q("i8", shape, R)], opt("GeluOptions", approximate=True))
    # Float activations with 8-bit weights.
    for asym in (False, True):
        n = "asymmetric" if asym else "symmetric"
        for per, sc in (("tensor", 0.006), ("channel", 0.004 + 0.001 * np.arange(5))):
            model(f"hybrid_fully_connected_{n}_{per}", "FULLY_CONNECTED", [T("f32", [3, 12]), const("i8", integers([5, 12], 9), scale=sc), const("f32", numbers([5], 2))], [T("f32", [3, 5])], opt("FullyConnectedOptions", asymmetricQuantizeInputs=asym))
        model(f"hybrid_batch_matmul_{n}", "BATCH_MATMUL", [T("f32", [2, 3, 8]), const("i8", integers([2, 8, 5], 9), scale=0.02)], [T("f32", [2, 3, 5])], opt("BatchMatMulOptions", adjX=False, adjY=False, asymmetricQuantizeInputs=asym))
        state = lambda sh: T("f32", sh, variable=True)
        w8 = lambda sh, seed: const("i8", integers(sh, seed), scale=0.005 + 0.001 * (seed % 5))
        lstm = [T("f32", [2, 6, 5])] + [w8([4, 5], i) for i in range(4)] + [w8([4, 4], 10 + i) for i in range(4)] + [None] * 3 + [const("f32", numbers([4], 20 + i)) for i in range(4)] + [None, None, state([2, 4]), state([2, 4])] + [None] * 4
        model(f"hybrid_lstm_{n}", "UNIDIRECTIONAL_SEQUENCE_LSTM", lstm, [T("f32", [2, 6, 4])], opt("UnidirectionalSequenceLSTMOptions", fusedActivationFunction=4, cellClip=10.0, projClip=0.0, timeMajor=False, asymmetricQuantizeInputs=asym))
        model(f"hybrid_svdf_{n}", "SVDF", [T("f32", [2, 6]), w8([8, 6], 1), const("i8", integers([8, 5], 2), scale=0.01), const("f32", numbers([4], 3)), state([2, 40])], [T("f32", [2, 4])], opt("SVDFOptions", rank=2, fusedActivationFunction=1, asymmetricQuantizeInputs=asym))
        model(f"hybrid_rnn_{n}", "UNIDIRECTIONAL_SEQUENCE_RNN", [T("f32", [2, 6, 5]), w8([4, 5], 1), w8([4, 4], 2), const("f32", numbers([4], 3)), state([2, 4])], [T("f32", [2, 6, 4])], opt("SequenceRNNOptions", timeMajor=False, fusedActivationFunction=4, asymmetricQuantizeInputs=asym))
    model("int4_fully_connected_hybrid", "FULLY_CONNECTED", [T("f32", [3, 12]), const("i4", integers([5, 12], 9, -7, 7), scale=0.1), const("f32", numbers([5], 2))], [T("f32", [3, 5])], opt("FullyConnectedOptions"))
    model("int4_fully_connected_i8", "FULLY_CONNECTED", [q("i8", [3, 12]), const("i4", integers([5, 12], 9, -7, 7), scale=0.1), const("i32", integers([5], 10, -90, 90), scale=0.003)], [T("i8", [3, 5], scale=0.1, zero=-7)], opt("FullyConnectedOptions"))
    model("int4_conv_i8", "CONV_2D", [q("i8", [1, 7, 6, 3]), const("i4", integers([4, 3, 2, 3], 3, -7, 7), scale=[0.1, 0.12, 0.14, 0.16]), const("i32", integers([4], 4, -90, 90), scale=0.003)], [T("i8", [1, 4, 3, 4], scale=0.1, zero=-7)], opt("Conv2DOptions", padding=0, strideW=2, strideH=2, dilationWFactor=1, dilationHFactor=1))
    model("hybrid_conv_tensor", "CONV_2D", [T("f32", [2, 7, 6, 3]), const("i8", integers([4, 3, 2, 3], 3), scale=0.006), const("f32", numbers([4], 4))], [T("f32", [2, 4, 3, 4])], opt("Conv2DOptions", padding=0, strideW=2, strideH=2, dilationWFactor=1, dilationHFactor=1))
    model("hybrid_conv_channel", "CONV_2D", [T("f32", [2, 7, 6, 3]), const("i8", integers([4, 3, 2, 3], 3), scale=[0.004, 0.005, 0.006, 0.007]), const("f32", numbers([4], 4))], [T("f32", [2, 4, 3, 4])], opt("Conv2DOptions", padding=0, strideW=2, strideH=2, dilationWFactor=1, dilationHFactor=1))
    model("hybrid_depthwise", "DEPTHWISE_CONV_2D", [T("f32", [2, 7, 6, 3]), const("i8", integers([1, 3, 3, 3], 3), scale=[0.004, 0.005, 0.006], axis=3), const("f32", numbers([3], 4))], [T("f32", [2, 4, 3, 3])], opt("DepthwiseConv2DOptions", padding=0, strideW=2, strideH=2, depthMultiplier=1, dilationWFactor=1, dilationHFactor=1))
    model("hybrid_embedding", "EMBEDDING_LOOKUP", [const("i32", [3, 1, 1]), const("i8", integers([5, 4], 3), scale=0.01)], [T("f32", [3, 4])])
    # Floats and plain integers.
    f = T("f32", shape)
    for op in ("SIN", "COS", "FLOOR", "ROUND", "ELU", "EXP", "ABS", "NEG", "SQUARE", "LOGISTIC", "TANH"):
        model(f"{op.lower()}_f32", op, [f], [f], {"EXP": opt("ExpOptions"), "ABS": opt("AbsOptions"), "NEG": opt("NegOptions"), "SQUARE": opt("SquareOptions"), "COS": opt("CosOptions")}.get(op))
    model("gelu_f32", "GELU", [f], [f], opt("GeluOptions", approximate=False))
    model("gelu_approximate_f32", "GELU", [f], [f], opt("GeluOptions", approximate=True))
    model("sign_f32", "SIGN", [f], [f], opt("SignOptions"))
    model("relu_0_to_1_f32", "RELU_0_TO_1", [f], [f])
    model("atan2_f32", "ATAN2", [f, T("f32", shape)], [f], opt("ATan2Options"))
    model("div_f32", "DIV", [f, const("f32", numbers([5], 1) + 3)], [f], fused("DivOptions"))
    model("div_i32", "DIV", [T("i32", shape), const("i32", [3, -4, 5, 7, -2])], [T("i32", shape)], fused("DivOptions"))
    for op in ("FLOOR_DIV", "FLOOR_MOD"):
        kind = "FloorDivOptions" if op == "FLOOR_DIV" else "FloorModOptions"
        model(f"{op.lower()}_f32", op, [f, const("f32", [1.5, -0.7, 2, -3, 0.3])], [f], opt(kind))
        model(f"{op.lower()}_i32", op, [T("i32", shape), const("i32", [3, -4, 5, 7, -2])], [T("i32", shape)], opt(kind))
    model("pow_f32", "POW", [const("f32", np.abs(numbers([5], 1))), f], [f], opt("PowOptions"))
    model("pow_i32", "POW", [T("i32", [7]), const("i32", 3)], [T("i32", [7])], opt("PowOptions"))
    model("add_n_f32", "ADD_N", [f, T("f32", shape), T("f32", shape)], [f], opt("AddNOptions"))
    model("add_i32", "ADD", [T("i32", shape), T("i32", shape)], [T("i32", shape)], fused("AddOptions", potScaleInt16=False))
    model("mul_i64", "MUL", [T("i64", shape), T("i64", shape)], [T("i64", shape)], fused("MulOptions"))
    for op, kind in (("LOGICAL_AND", "LogicalAndOptions"), ("LOGICAL_OR", "LogicalOrOptions")):
        model(op.lower(), op, [T("i1", [7]), const("i1", [1, 0, 1, 1, 0, 0, 1])], [T("i1", [7])], opt(kind))
    model("logical_not", "LOGICAL_NOT", [T("i1", [7])], [T("i1", [7])], opt("LogicalNotOptions"))
    model("bitwise_xor", "BITWISE_XOR", [T("i32", shape), const("i32", [5])], [T("i32", shape)], opt("BitwiseXorOptions"))
    model("right_shift", "RIGHT_SHIFT", [T("i32", shape), const("i32", [2])], [T("i32", shape)], opt("RightShiftOptions"))
    for a, c in (("f32", "i32"), ("i32", "f32"), ("i8", "f32"), ("i1", "f32"), ("f32", "i1"), ("i64", "i32"), ("f32", "f16"), ("u8", "i32"), ("i32", "i8")):
        model(f"cast_{a}_{c}", "CAST", [T(a, shape)], [T(c, shape)], opt("CastOptions", inDataType=TYPES[a][0], outDataType=TYPES[c][0]))
    model("local_response", "LOCAL_RESPONSE_NORMALIZATION", [f], [f], opt("LocalResponseNormalizationOptions", radius=1, bias=1.0, alpha=0.5, beta=0.7))
    model("l2_pool", "L2_POOL_2D", [T("f32", [1, 6, 6, 2])], [T("f32", [1, 3, 3, 2])], opt("Pool2DOptions", padding=0, strideW=2, strideH=2, filterWidth=3, filterHeight=3))
    model("conv_3d", "CONV_3D", [T("f32", [1, 5, 6, 7, 2]), const("f32", numbers([2, 3, 3, 2, 4], 1)), const("f32", numbers([4], 2))], [T("f32", [1, 3, 3, 4, 4])], opt("Conv3DOptions", padding=0, strideD=2, strideH=2, strideW=2, dilationDFactor=1, dilationHFactor=1, dilationWFactor=1))
    model("conv_3d_transpose", "CONV_3D_TRANSPOSE", [const("i32", [1, 6, 6, 8, 3]), const("f32", numbers([2, 3, 3, 3, 4], 1)), T("f32", [1, 3, 3, 4, 4])], [T("f32", [1, 6, 6, 8, 3])], opt("Conv3DOptions", padding=0, strideD=2, strideH=2, strideW=2, dilationDFactor=1, dilationHFactor=1, dilationWFactor=1))
    model("conv_grouped", "CONV_2D", [T("f32", [1, 5, 5, 4]), const("f32", numbers([6, 3, 3, 2], 1)), const("f32", numbers([6], 2))], [T("f32", [1, 5, 5, 6])], opt("Conv2DOptions", padding=0, strideW=1, strideH=1, dilationWFactor=1, dilationHFactor=1, fusedActivationFunction=3))
    # Shapes.
    model("tile", "TILE", [T("f32", [2, 3]), const("i32", [2, 3])], [T("f32", [4, 9])], opt("TileOptions"))
    model("broadcast_to", "BROADCAST_TO", [T("f32", [3, 1]), const("i32", [2, 3, 4])], [T("f32", [2, 3, 4])], opt("BroadcastToOptions"))
    model("transpose", "TRANSPOSE", [T("f32", [2, 3, 4]), const("i32", [2, 0, 1])], [T("f32", [4, 2, 3])], opt("TransposeOptions"))
    model("space_to_depth", "SPACE_TO_DEPTH", [T("f32", [1, 4, 6, 2])], [T("f32", [1, 2, 3, 8])], opt("SpaceToDepthOptions", blockSize=2))
    model("depth_to_space", "DEPTH_TO_SPACE", [T("f32", [1, 2, 3, 8])], [T("f32", [1, 4, 6, 2])], opt("DepthToSpaceOptions", blockSize=2))
    model("split", "SPLIT", [const("i32", 1), T("f32", [2, 6])], [T("f32", [2, 2])] * 3, opt("SplitOptions", numSplits=3))
    model("split_v", "SPLIT_V", [T("f32", [2, 6]), const("i32", [1, -1, 2]), const("i32", -1)], [T("f32", [2, 1]), T("f32", [2, 3]), T("f32", [2, 2])], opt("SplitVOptions", numSplits=3))
    model("unpack", "UNPACK", [T("f32", [2, 3])], [T("f32", [2])] * 3, opt("UnpackOptions", num=3, axis=-1))
    model("pack", "PACK", [T("f32", [2, 3]), T("f32", [2, 3])], [T("f32", [2, 2, 3])], opt("PackOptions", valuesCount=2, axis=1))
    model("slice", "SLICE", [T("f32", [4, 5]), const("i32", [1, 2]), const("i32", [2, -1])], [T("f32", [2, 3])], opt("SliceOptions"))
    model("strided_slice_masks", "STRIDED_SLICE", [T("f32", [4, 5, 6]), const("i32", [1, 0, 0, 2]), const("i32", [3, 0, 0, 3]), const("i32", [1, 1, 1, 1])], [T("f32", [2, 1, 5])], opt("StridedSliceOptions", beginMask=0, endMask=0, ellipsisMask=4, newAxisMask=2, shrinkAxisMask=8))
    model("strided_slice_offset", "STRIDED_SLICE", [T("f32", [4, 5]), const("i32", [1, 2]), const("i32", [2, 3]), const("i32", [1, 1])], [T("f32", [2, 3])], opt("StridedSliceOptions", offset=True))
    model("gather_batch", "GATHER", [T("f32", [2, 4, 3]), const("i32", [[1, 0], [3, 2]])], [T("f32", [2, 2, 3])], opt("GatherOptions", axis=1, batchDims=1))
    model("gather_nd", "GATHER_ND", [T("f32", [3, 4, 5]), const("i32", [[1, 0], [2, 3]])], [T("f32", [2, 5])], opt("GatherNdOptions"))
    model("scatter_nd", "SCATTER_ND", [const("i32", [[1], [3], [1]]), T("f32", [3, 4]), const("i32", [5, 4])], [T("f32", [5, 4])], opt("ScatterNdOptions"))
    model("sparse_to_dense", "SPARSE_TO_DENSE", [const("i32", [[0, 1], [2, 3]]), const("i32", [3, 4]), T("f32", [2]), const("f32", 0.5)], [T("f32", [3, 4])], opt("SparseToDenseOptions"))
    model("one_hot", "ONE_HOT", [const("i32", [[1, 0], [3, 7]]), const("i32", 4), T("f32", []), const("f32", -1.0)], [T("f32", [2, 4, 2])], opt("OneHotOptions", axis=1))
    model("reverse_v2", "REVERSE_V2", [T("f32", [2, 3, 4]), const("i32", [1])], [T("f32", [2, 3, 4])], opt("ReverseV2Options"))
    model("reverse_sequence", "REVERSE_SEQUENCE", [T("f32", [2, 5, 3]), const("i32", [3, 4])], [T("f32", [2, 5, 3])], opt("ReverseSequenceOptions", seqDim=1, batchDim=0))
    model("matrix_diag", "MATRIX_DIAG", [T("f32", [2, 3])], [T("f32", [2, 3, 3])], opt("MatrixDiagOptions"))
    model("matrix_set_diag", "MATRIX_SET_DIAG", [T("f32", [2, 3, 4]), T("f32", [2, 3])], [T("f32", [2, 3, 4])], opt("MatrixSetDiagOptions"))
    model("bucketize", "BUCKETIZE", [T("f32", [9])], [T("i32", [9])], opt("BucketizeOptions", boundaries=[-0.3, 0.1, 0.4]))
    model("dynamic_update_slice", "DYNAMIC_UPDATE_SLICE", [T("f32", [4, 5]), T("f32", [2, 3]), const("i32", [1, 1])], [T("f32", [4, 5])], opt("DynamicUpdateSliceOptions"))
    model("select_v2", "SELECT_V2", [T("i1", [3, 1]), T("f32", [3, 4]), T("f32", [4])], [T("f32", [3, 4])], opt("SelectV2Options"))
    model("select", "SELECT", [T("i1", [3]), T("f32", [3, 4]), T("f32", [3, 4])], [T("f32", [3, 4])], opt("SelectOptions"))
    model("fill", "FILL", [const("i32", [2, 3]), T("f32", [])], [T("f32", [2, 3])], opt("FillOptions"))
    model("expand_dims", "EXPAND_DIMS", [T("f32", [2, 3]), const("i32", -2)], [T("f32", [2, 1, 3])], opt("ExpandDimsOptions"))
    model("cumsum", "CUMSUM", [T("f32", [3, 9]), const("i32", 1)], [T("f32", [3, 9])], opt("CumsumOptions"))
    model("cumsum_reverse", "CUMSUM", [T("i32", [9, 2]), const("i32", 0)], [T("i32", [9, 2])], opt("CumsumOptions", exclusive=True, reverse=True))
    model("reduce_prod", "REDUCE_PROD", [T("f32", [3, 4]), const("i32", [0])], [T("f32", [4])], opt("ReducerOptions"))
    model("reduce_any", "REDUCE_ANY", [T("i1", [3, 4]), const("i32", [0])], [T("i1", [4])], opt("ReducerOptions"))
    model("segment_sum", "SEGMENT_SUM", [T("f32", [5, 2]), const("i32", [0, 0, 1, 2, 2])], [T("f32", [3, 2])], opt("SegmentSumOptions"))
    for op, kind in (("SUM", "Sum"), ("MAX", "Max"), ("MIN", "Min"), ("PROD", "Prod")):
        model(f"unsorted_segment_{op.lower()}", f"UNSORTED_SEGMENT_{op}", [T("f32", [5, 2]), const("i32", [2, 0, 2, -1, 3]), const("i32", 5)], [T("f32", [5, 2])], opt(f"UnsortedSegment{kind}Options"))
    model("rfft2d", "RFFT2D", [T("f32", [2, 4, 8]), const("i32", [4, 8])], [T("c64", [2, 4, 5])], opt("Rfft2dOptions"))
    model("embedding", "EMBEDDING_LOOKUP", [const("i32", [3, 1, 1]), T("f32", [5, 4])], [T("f32", [3, 4])])
    model("arg_min_i64", "ARG_MIN", [T("f32", [3, 7, 2]), const("i32", 1)], [T("i64", [3, 2])], opt("ArgMinOptions", outputType=4))
    model("range", "RANGE", [const("i32", 3), const("i32", 20), const("i32", 4)], [T("i32", [5])], opt("RangeOptions"))
    # Selection of boxes.
    boxes = np.concatenate([np.array([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]], np.float32)])
    for op, n in (("NON_MAX_SUPPRESSION_V4", 4), ("NON_MAX_SUPPRESSION_V5", 5)):
        ins = [const("f32", boxes), T("f32", [6]), const("i32", 4), const("f32", 0.5), const("f32", -0.3)] + ([const("f32", 0.5)] if n == 5 else [])
        outs = [T("i32", [4]), T("i32", [])] if n == 4 else [T("i32", [4]), T("f32", [4]), T("i32", [])]
        model(f"non_max_suppression_v{n}", op, ins, outs, opt(f"NonMaxSuppressionV{n}Options"))
    anchors = np.stack([np.linspace(0.1, 0.9, 12), np.tile([0.3, 0.5, 0.7], 4), np.full(12, 0.3), np.tile([0.2, 0.4], 6)], 1)
    settings = dict(max_detections=5, num_classes=3, nms_score_threshold=-0.2, nms_iou_threshold=0.3, y_scale=10.0, x_scale=10.0, h_scale=5.0, w_scale=5.0, detections_per_class=4)
    for name, extra in (("fast", dict(max_classes_per_detection=1, use_regular_nms=False)), ("regular", dict(max_classes_per_detection=1, use_regular_nms=True))):
        n = 5 * extra["max_classes_per_detection"]
        model(f"detection_{name}", "TFLite_Detection_PostProcess", [T("f32", [1, 12, 4]), T("f32", [1, 12, 4]), const("f32", anchors)],
              [T("f32", [1, n, 4]), T("f32", [1, n]), T("f32", [1, n]), T("f32", [1])], custom={**settings, **extra})
    # Recurrent layers in floats.
    w = lambda sh, seed: const("f32", numbers(sh, seed, 0.4))
    st = lambda sh: T("f32", sh, variable=True)
    def lstm(peephole=False, projection=False, norm=False, cifg=False, x=[2, 6, 5]):
        out = 3 if projection else 4
        return ([T("f32", x)] + [None if cifg and i == 0 else w([4, 5], i) for i in range(4)] + [None if cifg and i == 0 else w([4, out], 10 + i) for i in range(4)]
                + [w([4], 30 + i) if peephole and not (cifg and i == 0) else None for i in range(3)] + [None if cifg and i == 0 else w([4], 20 + i) for i in range(4)]
                + ([w([3, 4], 40), w([3], 41)] if projection else [None, None]) + [st([2, out]), st([2, 4])] + [w([4], 50 + i) if norm and not (cifg and i == 0) else None for i in range(4)])
    so = lambda **kw: opt("UnidirectionalSequenceLSTMOptions", **{**dict(fusedActivationFunction=4, cellClip=0.0, projClip=0.0, timeMajor=False), **kw})
    model("lstm_plain", "UNIDIRECTIONAL_SEQUENCE_LSTM", lstm(), [T("f32", [2, 6, 4])], so())
    model("lstm_peephole", "UNIDIRECTIONAL_SEQUENCE_LSTM", lstm(peephole=True), [T("f32", [2, 6, 4])], so(cellClip=0.3))
    model("lstm_projection", "UNIDIRECTIONAL_SEQUENCE_LSTM", lstm(projection=True, norm=True), [T("f32", [2, 6, 3])], so(projClip=0.4))
    model("lstm_cifg", "UNIDIRECTIONAL_SEQUENCE_LSTM", lstm(cifg=True, peephole=True), [T("f32", [2, 6, 4])], so())
    model("lstm_step", "LSTM", lstm(x=[2, 5]), [T("f32", [2, 4])], opt("LSTMOptions", fusedActivationFunction=4, kernelType=0))
    model("rnn_step", "RNN", [T("f32", [2, 5]), w([4, 5], 1), w([4, 4], 2), w([4], 3), st([2, 4])], [T("f32", [2, 4])], opt("RNNOptions", fusedActivationFunction=4))
    model("rnn_sequence", "UNIDIRECTIONAL_SEQUENCE_RNN", [T("f32", [6, 2, 5]), w([4, 5], 1), w([4, 4], 2), w([4], 3), st([2, 4])], [T("f32", [6, 2, 4])], opt("SequenceRNNOptions", timeMajor=True, fusedActivationFunction=1))
    model("svdf", "SVDF", [T("f32", [2, 6]), w([8, 6], 1), w([8, 5], 2), w([4], 3), st([2, 40])], [T("f32", [2, 4])], opt("SVDFOptions", rank=2, fusedActivationFunction=1))
    both = ([T("f32", [6, 2, 5])] + [w([4, 5], i) for i in range(4)] + [w([4, 4], 10 + i) for i in range(4)] + [None] * 3 + [w([4], 20 + i) for i in range(4)] + [None, None]
            + [w([4, 5], 30 + i) for i in range(4)] + [w([4, 4], 40 + i) for i in range(4)] + [None] * 3 + [w([4], 50 + i) for i in range(4)] + [None, None]
            + [st([2, 4])] * 4 + [None] * 9)
    model("lstm_both", "BIDIRECTIONAL_SEQUENCE_LSTM", both, [T("f32", [6, 2, 8])], opt("BidirectionalSequenceLSTMOptions", fusedActivationFunction=4, mergeOutputs=True, timeMajor=True))
    rnn2 = [T("f32", [2, 6, 5]), w([4, 5], 1), w([4, 4], 2), w([4], 3), st([2, 4]), w([4, 5], 5), w([4, 4], 6), w([4], 7), st([2, 4]), None, None, None]
    model("rnn_both", "BIDIRECTIONAL_SEQUENCE_RNN", rnn2, [T("f32", [2, 6, 4]), T("f32", [2, 6, 4])], opt("BidirectionalSequenceRNNOptions", fusedActivationFunction=4, mergeOutputs=False, timeMajor=False))


def metadata(source, target):
    import zipfile
    b = flatbuffers.Builder(512)

    def table(*fields):
        """Fields as (number, kind, value); offsets are made before."""
        b.StartObject(max(n for n, _, _ in fields) + 1)
        for n, kind, value in fields:
            b.PrependUOffsetTRelativeSlot(n, value, 0) if kind == "ref" else b.PrependUint8Slot(n, value, 0)
        return b.EndObject()

    def vector(items):
        b.StartVector(4, len(items), 4)
        for item in reversed(items):
            b.PrependUOffsetTRelative(item)
        return b.EndVector()

    def floats(values):
        b.StartVector(4, len(values), 4)
        for value in reversed(values):
            b.PrependFloat32(value)
        return b.EndVector()

    text = b.CreateString
    mean, std = floats([127.5]), floats([127.5])
    unit = table((0, "type", 1), (1, "ref", table((0, "ref", mean), (1, "ref", std))))
    units, name, about = vector([unit]), text("image"), text("A small picture")
    image = table((0, "ref", name), (1, "ref", about), (4, "ref", units))
    label_name = text("labels.txt")
    files, score = vector([table((0, "ref", label_name))]), text("probability")
    result = table((0, "ref", score), (6, "ref", files))
    ins, outs = vector([image]), vector([result])
    graphs, title, author = vector([table((2, "ref", ins), (3, "ref", outs))]), text("tiny classifier"), text("Cerebro")
    b.Finish(table((0, "ref", title), (3, "ref", graphs), (4, "ref", author)), b"M001")
    m = s.ModelT.InitFromObj(s.Model.GetRootAs(open(source, "rb").read(), 0))
    buffer, entry = s.BufferT(), s.MetadataT()
    buffer.data = np.frombuffer(bytes(b.Output()), np.uint8)
    entry.name, entry.buffer = "TFLITE_METADATA", len(m.buffers)
    m.buffers.append(buffer)
    m.metadata = (m.metadata or []) + [entry]
    out = flatbuffers.Builder(1024)
    out.Finish(m.Pack(out), b"TFL3")
    with open(target, "wb") as f:
        f.write(bytes(out.Output()))
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(zipfile.ZipInfo("labels.txt"), "".join(f"label {i}\n" for i in range(10)))


def models():
    """Whole models, by the converter."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    keras = tf.keras
    folder = os.path.join(here, "models")
    os.makedirs(folder, exist_ok=True)

    def seeded(model):
        rng = np.random.RandomState(1)
        model.set_weights([(np.abs(rng.randn(*w.shape)) * 0.5 + 0.5 if "variance" in v.name or "gamma" in v.name else rng.randn(*w.shape) * 0.3).astype(np.float32)
                           for v, w in zip(model.weights, model.get_weights())])
        return model

    def save(name, converter, optimize=None, kind=None, samples=None):
        if optimize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "f16":
            converter.target_spec.supported_types = [tf.float16]
        if kind in ("int8", "int16"):
            converter.representative_dataset = lambda: ([np.random.RandomState(i).uniform(-1, 1, sh).astype(np.float32) for sh in samples] for i in range(8))
            ops = tf.lite.OpsSet
            converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS_INT8 if kind == "int8" else ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
            if kind == "int16":
                converter.target_spec.supported_ops.append(ops.TFLITE_BUILTINS)
            if kind == "int8":
                converter.inference_input_type = converter.inference_output_type = tf.int8
        try:
            data = converter.convert()
        except Exception as e:
            print(name, "not converted:", str(e).strip().splitlines()[0][:200])
            return
        with open(os.path.join(folder, name + ".tflite"), "wb") as f:
            f.write(data)
        print(name, len(data))

    def of(model, shape):
        """A converter for a model with these input shapes."""
        call = tf.function(lambda *x: model(x[0] if len(x) == 1 else list(x)))
        specs = [tf.TensorSpec(sh, tf.float32) for sh in shape]
        frozen = convert_variables_to_constants_v2(call.get_concrete_function(*specs), lower_control_flow=False)
        return tf.lite.TFLiteConverter.from_concrete_functions([frozen])

    cnn = seeded(keras.Sequential([
        keras.Input([16, 16, 3]), keras.layers.Conv2D(8, 3, strides=2, padding="same"), keras.layers.BatchNormalization(), keras.layers.ReLU(6.0),
        keras.layers.DepthwiseConv2D(3, padding="same"), keras.layers.BatchNormalization(), keras.layers.Activation("hard_swish"),
        keras.layers.Conv2D(16, 1), keras.layers.PReLU(shared_axes=[1, 2]), keras.layers.MaxPooling2D(2), keras.layers.UpSampling2D(2, interpolation="bilinear"),
        keras.layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="sigmoid"), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10, activation="softmax")]))
    for kind in (None, "f16", "dynamic", "int8", "int16"):
        save(f"cnn_{kind or 'float'}", of(cnn, [[1, 16, 16, 3]]), kind is not None, kind, [[1, 16, 16, 3]])
    save("cnn_batch", of(cnn, [[None, 16, 16, 3]]))
    lstm = seeded(keras.Sequential([keras.Input([9, 6]), keras.layers.LSTM(36, return_sequences=True), keras.layers.LSTM(5), keras.layers.Dense(3)]))
    for kind in (None, "dynamic"):
        save(f"lstm_{kind or 'float'}", of(lstm, [[1, 9, 6]]), kind is not None, kind, [[1, 9, 6]])
    gru = seeded(keras.Sequential([keras.Input([9, 6]), keras.layers.GRU(20, return_sequences=True), keras.layers.Bidirectional(keras.layers.GRU(4)), keras.layers.Dense(3)]))
    for kind in (None, "dynamic"):
        save(f"gru_{kind or 'float'}", of(gru, [[1, 9, 6]]), kind is not None, kind)

    x = keras.Input([7, 16])
    y = keras.layers.LayerNormalization()(x)
    y = keras.layers.MultiHeadAttention(2, 8)(y, y)
    z = keras.layers.Add()([x, y])
    y = keras.layers.Dense(32, activation="gelu")(keras.layers.LayerNormalization()(z))
    z = keras.layers.Add()([z, keras.layers.Dense(16)(y)])
    attention = seeded(keras.Model(x, keras.layers.Dense(4, activation="tanh")(keras.layers.GlobalAveragePooling1D()(z))))
    for kind in (None, "f16", "dynamic", "int8", "int16"):
        save(f"attention_{kind or 'float'}", of(attention, [[1, 7, 16]]), kind is not None, kind, [[1, 7, 16]])

    class Loops(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([4, 3], tf.float32)])
        def control(self, x):
            i, total = tf.while_loop(lambda i, t: tf.logical_and(i < 20, tf.reduce_sum(tf.abs(t)) < 50.0), lambda i, t: (i + 1, t * 1.3 + x[i % 4]), [0, x])
            y = tf.cond(tf.reduce_mean(x) > 0.0, lambda: total * 2.0, lambda: total - tf.cast(i, tf.float32))
            return {"y": y, "rounds": i}

    module = Loops()
    save("control", tf.lite.TFLiteConverter.from_concrete_functions([module.control.get_concrete_function()], module))

    class Counter(tf.Module):
        def __init__(self):
            self.total = tf.Variable(np.arange(4, dtype=np.float32))
            self.weights = tf.Variable(np.linspace(-1, 1, 4, dtype=np.float32))

        @tf.function(input_signature=[tf.TensorSpec([4], tf.float32)])
        def add(self, x):
            self.total.assign_add(x * self.weights)
            return {"total": self.total.read_value()}

        @tf.function(input_signature=[tf.TensorSpec([4], tf.float32)])
        def scale(self, x):
            return {"scaled": x * self.total}

    counter = Counter()
    save_to = os.path.join("/tmp", "tflite-counter")
    tf.saved_model.save(counter, save_to, signatures={"add": counter.add.get_concrete_function(), "scale": counter.scale.get_concrete_function()})
    converter = tf.lite.TFLiteConverter.from_saved_model(save_to, signature_keys=["add", "scale"])
    converter.experimental_enable_resource_variables = True
    save("variables", converter)

    sparse = keras.Sequential([keras.Input([64]), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(8)])
    seeded(sparse)
    weights = sparse.get_weights()
    keep = np.random.RandomState(3).rand(16, 8) < 0.15
    weights[0] *= np.kron(keep, np.ones((4, 4)))[:64, :32]
    sparse.set_weights(weights)
    converter = of(sparse, [[1, 64]])
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    save("sparse", converter)
    converter = of(sparse, [[1, 64]])
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY, tf.lite.Optimize.DEFAULT]
    save("sparse_dynamic", converter)

    class Words(tf.Module):
        def __init__(self):
            self.table = tf.constant(numbers([70, 6], 1))

        @tf.function(input_signature=[tf.TensorSpec([1, 8], tf.int32)])
        def embed(self, ids):
            rows = tf.gather(self.table, ids)
            mask = tf.cast(ids > 0, tf.float32)[..., None]
            mean = tf.reduce_sum(rows * mask, 1) / tf.maximum(tf.reduce_sum(mask, 1), 1.0)
            values, places = tf.math.top_k(mean, 3)
            return {"mean": mean, "values": values, "places": places, "sorted": tf.math.cumsum(tf.reverse(mean, [1]), 1)}

    # The CNN with what MediaPipe's metadata writer adds: a description, how inputs are normalised, labels in an archive.
    metadata(os.path.join(folder, "cnn_f16.tflite"), os.path.join(folder, "metadata.tflite"))
    words = Words()
    save("words", tf.lite.TFLiteConverter.from_concrete_functions([words.embed.get_concrete_function()], words))


if __name__ == "__main__":
    # ops, models; metadata SOURCE TARGET is part of models.
    for what in sys.argv[1:]:
        globals()[what]()
