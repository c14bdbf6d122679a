"""Writes models/: small Keras models over the layer families, each in the formats that can hold it, and outputs.json.

Wants tensorflow 2.21, keras 3.15, tf_keras 2.21, tensorflowjs 4.22. Keras 3 models are saved as .keras, .h5 (where it works) and .weights.h5 with .json; those of tf_keras as .h5,
.keras and TensorFlow.js layers models, one of them with weights of one byte. Weights are random with fixed seeds, so that
no value is trivial. Every model has three inputs; input and output arrays are in outputs.json, rounded to seven digits.
"""

import importlib
import importlib.util
import json
import os
import shutil
import sys
import types
import zipfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import tensorflow as tf
import keras
import tf_keras

# The packages' __init__ files import converters that want much more than is needed here.
root = os.path.dirname(importlib.util.find_spec("tensorflowjs").origin)
for package, path in {"tensorflowjs": root, "tensorflowjs.converters": os.path.join(root, "converters")}.items():
    sys.modules[package] = types.ModuleType(package)
    sys.modules[package].__path__ = [path]
sys.modules["tensorflowjs"].version = importlib.import_module("tensorflowjs.version")
sys.modules["tensorflowjs"].__version__ = sys.modules["tensorflowjs"].version.version

here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "models")
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
outputs = {}
L = keras.layers
O = keras.ops
T = tf_keras.layers


def randomise(model, seed):
    rng = np.random.default_rng(seed)
    values = []
    for weight in model.weights:
        name = weight.name
        shape = tuple(weight.shape)
        if "variance" in name:
            value = rng.uniform(0.5, 2.0, shape)
        elif "gamma" in name or name == "scale":
            value = rng.uniform(0.5, 1.5, shape)
        elif "count" in name:
            value = np.ones(shape)
        elif "alpha" in name:
            value = rng.uniform(0.1, 0.4, shape)
        else:
            fan = np.prod(shape[:-1]) if len(shape) > 1 else 10
            value = rng.normal(0, 1.0 / np.sqrt(max(fan, 1)), shape)
        values.append(value.astype(weight.dtype if isinstance(weight.dtype, str) else weight.dtype.name))
    model.set_weights(values)


def inputs_of(model, seed, shapes, low, high):
    rng = np.random.default_rng(seed)
    result = []
    for i, tensor in enumerate(model.inputs):
        shape = shapes[i] if shapes else [1 if n is None else n for n in tensor.shape]
        dtype = str(getattr(tensor.dtype, "name", tensor.dtype))
        if dtype == "bool":
            result.append(rng.integers(0, 2, shape).astype(dtype))
        elif "int" in dtype or high is not None:
            result.append(rng.integers(low, high or 10, shape).astype(dtype))
        else:
            result.append(rng.normal(0, 1, shape).astype(dtype))
    return result


def numbers(array):
    array = np.asarray(array)
    if array.dtype.kind in "fV":
        return [float(f"{x:.7g}") for x in np.asarray(array, "f8").ravel()]
    return [int(x) for x in array.ravel()]


def pack(name):
    """Deflates an archive: Keras stores its files, which are mostly zeros for models as small as these."""
    path = os.path.join(folder, name)
    with zipfile.ZipFile(path) as archive:
        files = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in files.items():
            archive.writestr(entry, content)


def flat(item):
    if isinstance(item, dict):
        return [x for key in sorted(item) for x in flat(item[key])]
    if isinstance(item, (list, tuple)):
        return [x for each in item for x in flat(each)]
    return [item]


def record(name, model, files, seed=1, shapes=None, low=0, high=None, calls=3, **extra):
    cases = []
    for n in range(calls):
        given = inputs_of(model, seed + 100 * n, shapes, low, high)
        results = flat(model(given[0] if len(given) == 1 else given, training=False))
        cases.append(
            {
                "inputs": [{"shape": list(x.shape), "numbers": numbers(x)} for x in given],
                "outputs": [{"shape": list(y.shape), "numbers": numbers(y)} for y in results],
            }
        )
    outputs[name] = {"files": files, "cases": cases, **extra}


def save3(name, model, seed=1, h5=True, randomised=True, **options):
    if randomised:
        randomise(model, seed)
    files = [f"{name}.keras"]
    model.save(os.path.join(folder, files[0]))
    if name != "cnn":
        pack(files[0])
    if h5:
        model.save(os.path.join(folder, f"{name}.h5"))
        files.append(f"{name}.h5")
    if options.pop("pair", False):
        os.makedirs(os.path.join(folder, name))
        model.save_weights(os.path.join(folder, name, f"{name}.weights.h5"))
        with open(os.path.join(folder, name, f"{name}.json"), "w") as file:
            file.write(model.to_json())
        files.append(name)
    record(name, model, files, seed, **options)
    print(name, files, [tuple(c["shape"]) for c in outputs[name]["cases"][0]["outputs"]])


def save2(name, model, seed=1, tfjs=True, modern=True, quantize=False, **options):
    randomise(model, seed)
    files = [f"{name}.h5"]
    model.save(os.path.join(folder, files[0]))
    if modern:
        model.save(os.path.join(folder, f"{name}.keras"))
        pack(f"{name}.keras")
        files.append(f"{name}.keras")
    if tfjs:
        from tensorflowjs.converters import keras_h5_conversion

        kinds = {"": None}
        if quantize:
            kinds |= {"_f16": {"float16": "*"}, "_u8": {"uint8": "*"}, "_u16": {"uint16": "*"}}
        for suffix, kind in kinds.items():
            path = f"{name}_tfjs{suffix}"
            keras_h5_conversion.save_keras_model(
                model, os.path.join(folder, path), quantization_dtype_map=kind, weight_shard_size_bytes=1024
            )
            files.append(path)
    record(name, model, files, seed, **options)
    print(name, files, [tuple(c["shape"]) for c in outputs[name]["cases"][0]["outputs"]])


def cnn():
    x = i = keras.Input((12, 12, 3), name="picture")
    x = L.Rescaling(0.5, offset=-0.1)(x)
    x = L.ZeroPadding2D(((1, 0), (0, 1)))(x)
    x = L.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(x)
    x = L.BatchNormalization()(x)
    x = L.ReLU(max_value=6.0)(x)
    y = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="silu")(x)
    y = L.Conv2D(6, 1, groups=2, activation="gelu")(y)
    x = L.Add()([x, y])
    x = L.SeparableConv2D(8, (3, 2), padding="same", activation="elu")(x)
    x = L.Dropout(0.5)(x)
    x = L.MaxPooling2D(2, padding="same")(x)
    x = L.AveragePooling2D(3, strides=1, padding="same")(x)
    x = L.SpatialDropout2D(0.1)(x)
    a = L.GlobalAveragePooling2D()(x)
    b = L.GlobalMaxPooling2D(keepdims=True)(x)
    x = L.Concatenate()([a, L.Flatten()(b)])
    return keras.Model(i, L.Dense(5, activation="softmax", name="classes")(x))


def transposed():
    x = i = keras.Input((3, 2, 3))
    x = L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="leaky_relu")(x)
    x = L.Conv2DTranspose(3, (3, 2), strides=(2, 3), padding="valid")(x)
    x = L.Conv2DTranspose(2, 3, strides=2, padding="same", output_padding=1)(x)
    x = L.PReLU(shared_axes=[1, 2])(x)
    x = L.UpSampling2D(2, interpolation="bilinear")(x)
    x = L.Cropping2D(((20, 12), (23, 14)))(x)
    x = L.GroupNormalization(2)(x)
    return keras.Model(i, x)


def sound():
    x = i = keras.Input((40, 2))
    x = L.Conv1D(6, 4, dilation_rate=2, padding="causal", activation="tanh")(x)
    x = L.SeparableConv1D(6, 3, strides=2)(x)
    x = L.DepthwiseConv1D(3, padding="same")(x)
    x = L.Conv1DTranspose(4, 4, strides=2, padding="same")(x)
    x = L.LayerNormalization()(x)
    x = L.MaxPooling1D(2)(x)
    x = L.AveragePooling1D(3, strides=2, padding="same")(x)
    x = L.UpSampling1D(2)(x)
    x = L.ZeroPadding1D(2)(x)
    x = L.Cropping1D((1, 2))(x)
    x = L.Permute((2, 1))(x)
    return keras.Model(i, L.GlobalAveragePooling1D(data_format="channels_first")(x))


def volume():
    x = i = keras.Input((6, 5, 4, 2))
    x = L.Conv3D(3, (3, 2, 2), strides=(2, 1, 1), padding="same", activation="mish")(x)
    x = L.MaxPooling3D((1, 2, 2), padding="same")(x)
    x = L.Conv3DTranspose(2, 2, strides=2)(x)
    x = L.AveragePooling3D(2)(x)
    x = L.UpSampling3D((1, 2, 1))(x)
    x = L.BatchNormalization(axis=1)(x)
    return keras.Model(i, L.GlobalMaxPooling3D()(x))


def channels_first():
    # TensorFlow's processor kernels have no channels first: the numbers come from the same model with channels last.
    def build(first):
        form = "channels_first" if first else "channels_last"
        axis = 1 if first else -1
        x = i = keras.Input((3, 8, 6) if first else (8, 6, 3))
        x = L.Conv2D(4, 3, strides=2, padding="same", data_format=form, name="a")(x)
        x = L.BatchNormalization(axis=axis, name="b")(x)
        x = L.DepthwiseConv2D(2, data_format=form, name="c")(x)
        x = L.AveragePooling2D(2, data_format=form, padding="same", name="d")(x)
        x = L.GlobalAveragePooling2D(data_format=form, name="e")(x)
        return keras.Model(i, L.Dense(3, name="f")(x))

    first, last = build(True), build(False)
    randomise(last, 5)
    first.set_weights(last.get_weights())
    first.save(os.path.join(folder, "first.keras"))
    pack("first.keras")
    cases = []
    for n in range(3):
        x = np.random.default_rng(n).normal(0, 1, (1, 3, 8, 6)).astype("f4")
        y = last(np.transpose(x, (0, 2, 3, 1)), training=False)
        cases.append(
            {
                "inputs": [{"shape": list(x.shape), "numbers": numbers(x)}],
                "outputs": [{"shape": list(y.shape), "numbers": numbers(y)}],
            }
        )
    outputs["first"] = {"files": ["first.keras"], "cases": cases}


def recurrent():
    x = i = keras.Input((9, 5))
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
    a, h, c = L.LSTM(3, return_state=True, return_sequences=True)(x)
    b = L.GRU(3, go_backwards=True, return_sequences=True)(a, initial_state=h)
    d = L.GRU(4, reset_after=False)(b)
    e = L.SimpleRNN(4, activation="relu")(a)
    f = L.Bidirectional(L.GRU(2), merge_mode="ave")(a)
    g = L.RNN(L.StackedRNNCells([L.GRUCell(4), L.LSTMCell(3)]))(a)
    k = L.TimeDistributed(L.Dense(2, activation="sigmoid"))(a)
    return keras.Model(i, [d, e, f, g, k, c])


def long_sequence():
    x = i = keras.Input((40, 3))
    x = L.LSTM(6, return_sequences=True)(x)
    x = L.Bidirectional(L.GRU(4, return_sequences=True), merge_mode="sum")(x)
    x = L.SimpleRNN(5, go_backwards=True)(x)
    return keras.Model(i, x)


def masked():
    i = keras.Input((20,), dtype="int32")
    x = L.Embedding(12, 6, mask_zero=True)(i)
    a = L.LSTM(4, return_sequences=True)(x)
    b = L.Bidirectional(L.GRU(3, return_sequences=True))(a)
    c = L.GlobalAveragePooling1D()(b)
    d = L.LSTM(3)(L.Dropout(0.2)(x))
    e = L.MultiHeadAttention(2, 4)(a, a)
    f = L.Attention()([a, a])
    g = L.GRU(3, return_sequences=True, zero_output_for_mask=True)(x)
    return keras.Model(i, [c, d, e, f, g])


def masking():
    x = i = keras.Input((6, 3))
    m = L.Masking(0.0)(x)
    a = L.SimpleRNN(4, return_sequences=True)(m)
    b = L.Concatenate()([a, L.TimeDistributed(L.Dense(2))(m)])
    return keras.Model(i, [L.LSTM(3)(b), L.Activation("softmax")(a)])


def convolutional_recurrent():
    x = i = keras.Input((4, 6, 6, 2))
    x = L.ConvLSTM2D(3, 3, padding="same", return_sequences=True)(x)
    x = L.ConvLSTM2D(2, 3, strides=2, recurrent_activation="hard_sigmoid")(x)
    return keras.Model(i, x)


def stateful():
    x = i = keras.Input(batch_shape=(1, 4, 3))
    x = L.LSTM(4, stateful=True, return_sequences=True)(x)
    x = L.GRU(3, stateful=True)(x)
    return keras.Model(i, x)


def attention():
    i = keras.Input((7, 8))
    j = keras.Input((5, 6))
    a = L.MultiHeadAttention(2, 3, value_dim=4, output_shape=5)(i, j)
    b = L.MultiHeadAttention(2, 4, dropout=0.1)(i, i, use_causal_mask=True)
    c = L.GroupQueryAttention(4, 4, 2)(i, i)
    q = L.Dense(6)(i)
    d = L.Attention(use_scale=True)([q, j])
    e = L.AdditiveAttention()([q, j], use_causal_mask=True)
    f = L.Attention(score_mode="concat")([q, j, j])
    return keras.Model([i, j], [a, b, c, d, e, f])


def transformer():
    i = keras.Input((10,), dtype="int32")
    x = L.Embedding(20, 8)(i) + L.Embedding(10, 8)(O.arange(10))
    for _ in range(2):
        y = L.LayerNormalization(epsilon=1e-6)(x)
        x = x + L.MultiHeadAttention(2, 4)(y, y, use_causal_mask=True)
        y = L.RMSNormalization()(x)
        y = L.EinsumDense("abc,cd->abd", output_shape=(None, 16), bias_axes="d", activation="gelu")(y)
        x = x + L.Dense(8)(y)
    x = L.UnitNormalization()(x)
    return keras.Model(i, L.Dense(20)(x[:, -1]))


def merging():
    i = keras.Input((4, 6))
    j = keras.Input((4, 6))
    shared = L.Dense(6, activation="softsign")
    a, b = shared(i), shared(j)
    merged = [L.Add()([a, b, i]), L.Subtract()([a, b]), L.Multiply()([a, b]), L.Average()([a, b])]
    merged += [L.Maximum()([a, b]), L.Minimum()([a, b]), L.Concatenate(axis=1)([a, b])]
    x = L.Concatenate(axis=1)(merged)
    d = L.Dot(axes=(2, 2))([a, b])
    n = L.Dot(axes=1, normalize=True)([L.Flatten()(a), L.Flatten()(b)])
    r = L.RepeatVector(3)(n)
    return keras.Model({"left": i, "right": j}, {"x": x, "d": d, "r": L.Reshape((-1,))(r)})


def nested():
    inner = keras.Sequential([L.Input((6,)), L.Dense(5, activation="selu"), L.BatchNormalization()], name="inner")
    p = keras.Input((5,))
    q = keras.Input((5,))
    two = keras.Model([p, q], [L.Add()([p, q]), L.Dense(3)(q)], name="two")
    i = keras.Input((6,))
    a, b = inner(i), inner(L.Dense(6)(i))
    s, t = two([a, b])
    u, v = two([b, a])
    return keras.Model(i, [L.Concatenate()([s, u]), L.Concatenate()([t, v])])


def activations():
    i = keras.Input((9,))
    names = "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid"
    names += " log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus"
    names += " sparse_sigmoid sparsemax squareplus tanh tanh_shrink"
    xs = [L.Activation(name)(i * 2.0) for name in names.split()]
    xs += [L.LeakyReLU(0.3)(i), L.ELU(0.7)(i), L.ReLU(2.0, 0.1, 0.3)(i), L.Softmax()(i), L.PReLU()(i)]
    return keras.Model(i, L.Concatenate()(xs))


def preprocessing():
    i = keras.Input((10, 12, 3))
    x = L.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 2.0, 0.5])(i)
    x = L.RandomFlip()(x)
    x = L.RandomRotation(0.2)(x)
    a = L.Resizing(7, 9)(x)
    b = L.Resizing(15, 6, interpolation="nearest")(x)
    c = L.CenterCrop(6, 5)(x)
    e = L.Resizing(13, 17, interpolation="bicubic")(x)
    j = keras.Input((4,), dtype="int32")
    d = [L.CategoryEncoding(10, output_mode=mode)(j) for mode in ("multi_hot", "count")]
    d += [L.IntegerLookup(vocabulary=[3, 5, 8])(j), L.IntegerLookup(vocabulary=[3, 5, 8], mask_token=0)(j)]
    d += [L.IntegerLookup(vocabulary=[3, 5, 8], output_mode="multi_hot")(j)]
    k = L.Discretization([-1.0, 0.0, 0.5])(L.Flatten()(c))
    n = L.Normalization()
    n.adapt(np.arange(24, dtype="f4").reshape(8, 3))
    return keras.Model([i, j], [a, b, c, e, *d, k, n(x[:, 0, 0])])


def operations():
    i = keras.Input((8, 6))
    x = i
    r = O.reshape(x, (-1, 8, 6, 1))
    ys = [O.softmax(x, axis=1), x[:, 1:3], x[:, -1], x[:, ::-2, None], O.sum(x, axis=1, keepdims=True)]
    ys += [O.reshape(x, (-1, 48)), O.transpose(x, (0, 2, 1)), O.expand_dims(x, 1), O.concatenate([x, x], axis=1)]
    ys += [1 - x, x / 2, O.where(x > 0, x, 0.0), O.einsum("bij,bkj->bik", x, x), O.pad(x, ((0, 0), (1, 2), (0, 0)))]
    ys += [O.stack([x, x], axis=1), O.split(x, 2, axis=1)[1], O.mean(x, axis=[1, 2]), O.clip(x, 0, 1)]
    ys += [O.norm(x, axis=-1), O.max(x, axis=1), O.argmax(x, axis=-1), x @ O.transpose(x, (0, 2, 1)), x**2]
    ys += [O.one_hot(O.argmax(x, axis=-1), 6), O.take(x, [0, -1], axis=1), O.gelu(x), O.repeat(x, 2, axis=1)]
    ys += [O.flip(x, axis=1), O.normalize(x), O.var(x, axis=1), O.roll(x, 1, axis=1), O.maximum(x, 0.5)]
    ys += [O.add(x, np.arange(6, dtype="f4")), O.image.resize(r, (16, 9)), O.average_pool(x, 2), O.cumsum(x, axis=1)]
    ys += [O.logsumexp(x, axis=-1), O.abs(x), O.sqrt(O.square(x)), O.exp(-x), O.tile(x, [1, 1, 2]), O.sigmoid(x)]
    ys += [O.cast(O.floor(x), "int32"), O.swapaxes(x, 1, 2), O.moveaxis(x, 1, -1), O.log(O.abs(x) + 1.0), O.silu(x)]
    return keras.Model(i, ys)


def mixed(policy):
    def build():
        keras.mixed_precision.set_global_policy(policy)
        x = i = keras.Input((6, 6, 2))
        x = L.Conv2D(4, 3)(x)
        x = L.BatchNormalization()(x)
        x = L.LayerNormalization()(x)
        x = L.GlobalAveragePooling2D()(x)
        model = keras.Model(i, L.Dense(3, dtype="float32")(L.Dense(8, activation="relu")(x)))
        keras.mixed_precision.set_global_policy("float32")
        return model

    return build()


def rare_recurrent():
    i = keras.Input((5, 6, 4))
    a = L.ConvLSTM1D(3, 2, padding="same", return_sequences=True)(i)
    small = keras.Sequential([L.Input((6, 3)), L.Conv1D(2, 3, activation="relu"), L.Flatten(), L.Dense(4)])
    b = L.TimeDistributed(small)(a)
    c = L.Bidirectional(L.LSTM(3, return_state=True, return_sequences=True), merge_mode=None)(b)
    d = L.Bidirectional(L.GRU(3, return_state=True))(b)
    e = L.Bidirectional(L.LSTM(2), backward_layer=L.GRU(2, go_backwards=True))(b)
    f = L.RNN([L.LSTMCell(3), L.SimpleRNNCell(2)], return_state=True, return_sequences=True)(b)
    g = L.LSTM(3, unroll=True)(b, initial_state=[c[2], c[3]])
    h = L.GRU(3, activation="relu", recurrent_activation="hard_sigmoid", use_bias=False)(b)
    return keras.Model(i, [*c, *d, e, *f, g, h])


def rare_attention():
    i = keras.Input((3, 4, 6))
    j = keras.Input((4, 6))
    m = keras.Input((4, 4), dtype="bool")
    a = L.MultiHeadAttention(2, 3, attention_axes=(2,))(i, i)
    b = L.MultiHeadAttention(2, 3)(i, i)
    c, s = L.MultiHeadAttention(2, 3, use_bias=False)(j, j, attention_mask=m, return_attention_scores=True)
    d = L.MultiHeadAttention(3, 2, output_shape=(2, 3))(j, j, attention_mask=m)
    e, t = L.Attention(dropout=0.2)([j, j], return_attention_scores=True)
    f = L.MultiHeadAttention(2, 3)(query=j, value=j, key=L.Dense(5)(j))
    return keras.Model([i, j, m], [a, b, c, s, d, e, t, f])


def rare_spatial():
    i = keras.Input((9, 10, 4))
    a = L.Conv2D(3, 3, dilation_rate=2, padding="same", activation="softplus")(i)
    b = L.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(i)
    c = L.Conv2DTranspose(3, 4, strides=3, padding="same")(b)
    d = L.SeparableConv2D(5, 2, depth_multiplier=3, strides=2)(a)
    e = L.LayerNormalization(axis=[1, 2])(d)
    f = L.BatchNormalization(axis=2, center=False)(d)
    g = L.UnitNormalization(axis=[1, 3])(d)
    h = L.Softmax(axis=[1, 2])(d)
    k = L.AdaptiveMaxPooling2D((3, 2))(i) if hasattr(L, "AdaptiveMaxPooling2D") else i
    n = L.AveragePooling2D((3, 2), strides=(2, 3), padding="same")(i)
    o = L.Reshape((3, -1, 2))(L.ZeroPadding2D((1, 2))(b[:, :4, :4]))
    q = L.GroupNormalization(-1, center=False)(d)
    r = L.Flatten(data_format="channels_first")(b)
    v = L.UpSampling2D((2, 3))(b)
    w = L.Conv2D(4, (1, 3), strides=(1, 2), padding="same", data_format="channels_last", groups=4)(i)
    return keras.Model(i, [c, e, f, g, h, k, n, o, q, r, v, w])


def dictionaries():
    p, q = keras.Input((3,), name="p"), keras.Input((3,), name="q")
    inner = keras.Model({"one": p, "two": q}, {"sum": L.Add()([p, q]), "far": L.Dense(2)(q)}, name="inner")
    i, j = keras.Input((3,), name="right"), keras.Input((3,), name="left")
    result = inner({"one": i, "two": j})
    other = inner({"one": result["sum"], "two": L.Dense(3)(i)})
    return keras.Model([i, j], {"b": result["far"], "a": other["sum"], "c": other["far"]})


def quantized():
    i = keras.Input((6,), dtype="int32")
    x = L.Embedding(9, 8)(i)
    x = L.Dense(5, activation="relu")(x)
    x = L.EinsumDense("abc,cde->abde", (6, 2, 3), bias_axes="de")(x)
    model = keras.Model(i, L.Dense(3, use_bias=False)(L.Flatten()(x)))
    randomise(model, 27)
    model.quantize("int8")
    return model


def unbuilt():
    model = keras.Sequential([L.Dense(4, activation="relu"), L.Dense(2)])
    model.build((None, 3))
    return model


def spectral():
    i = keras.Input((5, 5, 2))
    x = L.SpectralNormalization(L.Conv2D(3, 2))(i)
    return keras.Model(i, L.AdaptiveAveragePooling2D(2)(x) if hasattr(L, "AdaptiveAveragePooling2D") else x)


def old_functional():
    i = tf_keras.Input((10, 8, 3), name="picture")
    x = T.Conv2D(6, 3, padding="same", use_bias=False)(i)
    x = T.BatchNormalization()(x)
    x = T.Activation("relu")(x)
    y = T.SeparableConv2D(6, 3, padding="same", activation="hard_sigmoid")(x)
    x = T.add([x, y])
    x = T.LeakyReLU(0.2)(x)
    x = T.MaxPooling2D()(x)
    inner = tf_keras.Sequential([T.Dense(4, activation="swish"), T.BatchNormalization()], name="inner")
    x = inner(T.Flatten()(x))
    return tf_keras.Model(i, [T.Dense(3, activation="softmax", name="classes")(x), x])


def old_recurrent():
    i = tf_keras.Input((12,))
    x = T.Embedding(10, 4, mask_zero=True)(i)
    x = T.Bidirectional(T.LSTM(3, return_sequences=True))(x)
    x = T.GRU(4, return_sequences=True)(x)
    x = T.TimeDistributed(T.Dense(3))(x)
    return tf_keras.Model(i, T.LSTM(2, recurrent_activation="hard_sigmoid")(x))


def old_functions():
    i = tf_keras.Input((8, 6))
    x = i
    r = tf.reshape(x, (-1, 8, 6, 1))
    ys = [x + 1.0, 1.0 - x, x * x, tf.nn.relu(x), tf.reduce_mean(x, axis=[1]), x[:, 1:3], x[:, -1, tf.newaxis]]
    ys += [tf.concat([x, x], -1), tf.transpose(x, [0, 2, 1]), tf.matmul(x, x, transpose_b=True), tf.nn.softmax(x)]
    ys += [tf.squeeze(tf.expand_dims(x, 1), 1), tf.math.sigmoid(x), tf.stack([x, x], 1), tf.split(x, [3, 5], axis=1)[1]]
    ys += [tf.where(x > 0, x, 0.0), x / 2, x**2, -x, tf.pad(x, [[0, 0], [1, 1], [0, 0]]), tf.image.resize(r, (16, 9))]
    ys += [tf.nn.l2_normalize(x, axis=-1), tf.nn.depth_to_space(tf.reshape(x, (-1, 4, 3, 4)), 2), tf.tile(x, [1, 2, 1])]
    ys += [tf.clip_by_value(x, 0, 1), tf.gather(x, [0, 1], axis=1), tf.one_hot(tf.argmax(x, -1), 6), tf.exp(x)]
    ys += [tf.reduce_sum(x, axis=1, keepdims=True), tf.reshape(x, (tf.shape(x)[0], 48)), tf.unstack(x, axis=1)[2]]
    ys += [tf.square(x), tf.nn.space_to_depth(r, 2), tf.nn.gelu(x), tf.nn.leaky_relu(x, alpha=0.1), tf.nn.relu6(x)]
    ys += [T.MultiHeadAttention(2, 3)(x, x)]
    return tf_keras.Model(i, ys)


def old_sequence():
    return tf_keras.Sequential(
        [
            T.Conv1D(4, 3, activation="relu", input_shape=(16, 2)),
            T.BatchNormalization(),
            T.GlobalMaxPooling1D(),
            T.Dense(4),
            T.PReLU(),
            T.LayerNormalization(),
        ]
    )


keras.utils.set_random_seed(1)
save3("cnn", cnn(), pair=True)
# Group normalisation makes the rounding errors of five layers larger.
save3("transposed", transposed(), 2, h5=False, tolerance=2e-5)
save3("sound", sound(), 3, h5=False)
save3("volume", volume(), 4, h5=False)
channels_first()
save3("recurrent", recurrent(), 6, pair=True)
save3("long", long_sequence(), 7, h5=False)
save3("masked", masked(), 8, h5=False, shapes=[(2, 20)], high=4)
save3("masking", masking(), 9, h5=False, shapes=[(2, 6, 3)], low=0, high=2)
save3("convlstm", convolutional_recurrent(), 10, h5=False)
save3("stateful", stateful(), 11, h5=False, stateful=True)
save3("attention", attention(), 12, h5=False)
save3("transformer", transformer(), 13, pair=True)
save3("merging", merging(), 14, h5=False)
save3("nested", nested(), 15, pair=True)
save3("activations", activations(), 16, h5=False)
save3("preprocessing", preprocessing(), 17, randomised=False, h5=False)
save3("operations", operations(), 18, h5=False)
save3("mixed", mixed("mixed_float16"), 19, tolerance=2e-2)
save3("bfloat", mixed("mixed_bfloat16"), 20, h5=False, tolerance=1e-1)
save3("unbuilt", unbuilt(), 21)
save3("quantized", quantized(), 27, randomised=False, h5=False, high=9)
save3("rare_recurrent", rare_recurrent(), 28, h5=False)
save3("rare_attention", rare_attention(), 29, h5=False)
save3("rare_spatial", rare_spatial(), 30, h5=False, calls=2)
save3("dictionaries", dictionaries(), 31)
save3("spectral", spectral(), 22, h5=False)
save2("old_functional", old_functional(), 23, quantize=True)
save2("old_recurrent", old_recurrent(), 24, low=0, high=10)
save2("old_functions", old_functions(), 25, tfjs=False)
save2("old_sequence", old_sequence(), 26)

# Refused by name.
i = keras.Input((1,), dtype="string")
lookup = L.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot")
keras.Model(i, L.Dense(2)(lookup(i))).save(os.path.join(folder, "strings.keras"))
i = tf_keras.Input((3,))
tf_keras.Model(i, T.Lambda(lambda x: x + 1)(i)).save(os.path.join(folder, "lambda.h5"))

with open(os.path.join(here, "outputs.json"), "w") as file:
    json.dump(outputs, file, separators=(",", ":"))
