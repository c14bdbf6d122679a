"""Small models saved by TensorFlow and Keras, and what they give: python make.py [NAME...].

Wants tensorflow 2.21, keras 3.15, tf_keras 2.21, and tensorflowjs 4.22 for the graph model.
Writes one folder or file a model beside itself, and cases.json.
"""
import json, os, shutil, sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
import numpy as np
import keras
import tensorflow as tf
import tf_keras
import golden

here = os.path.dirname(os.path.abspath(__file__))
wanted = sys.argv[1:]
path = os.path.join(here, "cases.json")
results = json.load(open(path)) if os.path.exists(path) and wanted else {}
models = {}


def model(function):
    models[function.__name__] = function
    return function


def seeded(net):
    """Weights by formula, so that the files do not change from run to run."""
    out = []
    for i, (w, variable) in enumerate(zip(net.get_weights(), net.weights)):
        w = np.asarray(w)
        if w.dtype.kind != "f":
            out.append(w)
            continue
        scale = 1 / np.sqrt(max(1, np.prod(w.shape[:-1]))) if w.ndim > 1 else 0.1
        values = np.sin(np.arange(w.size) * 1.3 + i) * scale * 1.5
        out.append((np.abs(values) + 0.5 if "variance" in variable.name else values).reshape(w.shape).astype(w.dtype))
    return out


def run_signatures(name, folder, shapes=None, rounds=3, fixed=None, variants=None):
    loaded = tf.saved_model.load(folder)
    cases = []
    for key, function in sorted(loaded.signatures.items()):
        specs = function.structured_input_signature[1]
        for seed in range(rounds):
            inputs, seeds = {}, {}
            for i, (port, spec) in enumerate(sorted(specs.items())):
                dims = spec.shape.as_list()
                shape = [d if d is not None else ((variants or {}).get(port, {}).get(k, 1 + seed)) for k, d in enumerate(dims)]
                value = fixed(port, seed, shape) if fixed else None
                if value is None:
                    seeds[port] = seed * 2 + i
                    value = golden.fill(shape, spec.dtype.as_numpy_dtype, seed * 2 + i)
                inputs[port] = value
            call = lambda given: {k: v.numpy() for k, v in function(**{p: tf.constant(a) for p, a in given.items()}).items()}
            cases.append(golden.case(call, inputs, seeds, key))
    results[name] = cases


def export(name, net, **options):
    folder = os.path.join(here, name)
    shutil.rmtree(folder, ignore_errors=True)
    if net.get_weights():
        net.set_weights(seeded(net))
    if net.__module__.startswith("keras"):
        net.export(folder, verbose=False)
    else:
        net.save(folder, save_format="tf", include_optimizer=False, save_traces=False)
    tidy(folder)
    run_signatures(name, folder, **options)


def tidy(folder):
    for extra in ("fingerprint.pb", "keras_metadata.pb"):
        if os.path.exists(os.path.join(folder, extra)):
            os.remove(os.path.join(folder, extra))
    for extra in ("assets",):
        if os.path.isdir(os.path.join(folder, extra)) and not os.listdir(os.path.join(folder, extra)):
            os.rmdir(os.path.join(folder, extra))


def save(name, module, signatures, **options):
    folder = os.path.join(here, name)
    shutil.rmtree(folder, ignore_errors=True)
    tf.saved_model.save(module, folder, signatures=signatures, options=tf.saved_model.SaveOptions(save_debug_info=False))
    tidy(folder)
    run_signatures(name, folder, **options)


L = keras.layers


@model
def cnn():
    net = keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            L.Conv2D(6, 3, strides=2, padding="same", use_bias=False),
            L.BatchNormalization(),
            L.ReLU(6.0),
            L.Conv2D(8, 3, dilation_rate=2, padding="same", activation="elu"),
            L.MaxPooling2D(2),
            L.Conv2D(8, (2, 1), groups=2, activation="swish"),
            L.GlobalAveragePooling2D(),
            L.Dense(5, activation="softmax"),
        ]
    )
    export("cnn", net)


@model
def separable():
    x = inputs = keras.Input((9, 9, 4))
    x = L.ZeroPadding2D(1)(x)
    x = L.DepthwiseConv2D(3, strides=2, depth_multiplier=2, activation="relu")(x)
    x = L.SeparableConv2D(6, 3, padding="same", activation="hard_sigmoid")(x)
    y = L.AveragePooling2D(2, strides=1, padding="same")(x)
    y = L.LeakyReLU(0.1)(y)
    x = L.Concatenate()([x, y])
    x = L.PReLU()(x)
    x = L.Cropping2D(1)(x)
    export("separable", keras.Model(inputs, L.Flatten()(x)))


@model
def upsample():
    x = inputs = keras.Input((5, 4, 3))
    x = L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(x)
    x = L.UpSampling2D(2, interpolation="bilinear")(x)
    x = L.Conv2DTranspose(2, 4, strides=3, padding="valid")(x)
    export("upsample", keras.Model(inputs, L.UpSampling2D(2)(x)), rounds=3)


@model
def lstm():
    """Keras 2's layers: a call of a function with a loop over lists."""
    K = tf_keras.layers
    x = inputs = tf_keras.Input((7, 5))
    x = K.LSTM(6, return_sequences=True)(x)
    x = K.GRU(5, return_sequences=True)(x)
    x = K.LSTM(4, go_backwards=True)(x)
    net = tf_keras.Model(inputs, K.Dense(3)(x))
    net.set_weights(seeded(net))
    module = tf.Module()
    module.weights = net.weights
    module.serve = tf.function(lambda x: {"output": net(x, training=False)}, input_signature=[tf.TensorSpec([None, 7, 5], name="x")])
    save("lstm", module, {"serving_default": module.serve})


@model
def gru():
    x = inputs = keras.Input((6, 4))
    x = L.GRU(5, return_sequences=True)(x)
    x = L.GRU(4, reset_after=False)(x)
    export("gru", keras.Model(inputs, x))


@model
def bidirectional():
    x = inputs = keras.Input((None, 4))
    x = L.Masking()(x)
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    x = L.TimeDistributed(L.Dense(2))(x)
    export("bidirectional", keras.Model(inputs, x), variants={"keras_tensor": {1: 5}})


@model
def attention():
    tokens = keras.Input((8,), dtype="int32")
    x = L.Embedding(64, 12)(tokens) + L.Embedding(8, 12)(keras.ops.arange(8))
    y = L.MultiHeadAttention(3, 4)(x, x, use_causal_mask=True)
    x = L.LayerNormalization(epsilon=1e-6)(x + y)
    y = L.Dense(24, activation="gelu")(x)
    x = L.LayerNormalization()(x + L.Dense(12)(y))
    export("attention", keras.Model(tokens, L.GlobalMaxPooling1D()(x)))


@model
def einsum():
    x = inputs = keras.Input((4, 6))
    x = L.EinsumDense("abc,cde->abde", output_shape=(None, 3, 5), bias_axes="de")(x)
    x = L.EinsumDense("abde,def->abf", output_shape=(None, 7))(x)
    x = L.UnitNormalization()(x)
    export("einsum", keras.Model(inputs, x))


@model
def volume():
    a = keras.Input((6, 5, 4, 2))
    x = L.Conv3D(3, 2, padding="same", activation="tanh")(a)
    x = L.MaxPooling3D(2)(x)
    x = L.AveragePooling3D((1, 2, 1), padding="same")(x)
    x = L.GlobalAveragePooling3D()(x)
    b = keras.Input((9, 3))
    y = L.Conv1D(4, 3, padding="causal", dilation_rate=2)(b)
    y = L.SpatialDropout1D(0.5)(y)
    y = L.Conv1DTranspose(3, 3, strides=2)(y)
    y = L.GlobalAveragePooling1D()(y)
    export("volume", keras.Model([a, b], L.Multiply()([x, y])))


@model
def convlstm():
    x = inputs = keras.Input((3, 5, 5, 2))
    x = L.ConvLSTM2D(3, 3, padding="same")(x)
    export("convlstm", keras.Model(inputs, x))


@model
def control():
    class Control(tf.Module):
        def __init__(self):
            self.w = tf.Variable(np.array([[0.5, -0.25], [0.125, 0.75]], np.float32), name="w")

        @tf.function(input_signature=[tf.TensorSpec([2, 2], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="n")])
        def collatz(self, x, n):
            steps = 0
            while tf.reduce_sum(tf.abs(x)) > 0.01 and steps < n:
                if tf.reduce_sum(x) > 0.0:
                    x = tf.matmul(x, self.w)
                elif steps > 3:
                    x = x * 0.5
                else:
                    x = x + tf.cast(steps, tf.float32) * 0.125
                steps += 1
            return {"x": x, "steps": steps}

        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
        def arrays(self, x):
            out = tf.TensorArray(tf.float32, size=0, dynamic_size=True, clear_after_read=False)
            total = tf.zeros([3])
            for i in tf.range(4):
                total += x[0] * tf.cast(i, tf.float32)
                out = out.write(i, total)
            last = tf.switch_case(tf.cast(tf.reduce_sum(x) > 0.1, tf.int32), [lambda: x * 2, lambda: x - 1])
            return {"stack": out.stack(), "last": last, "map": tf.map_fn(lambda r: tf.cumsum(r), x)}

        @tf.function(input_signature=[tf.TensorSpec([4], tf.float32, name="x")])
        def nested(self, x):
            def outer(i, x):
                y = tf.while_loop(lambda j, y: j < i, lambda j, y: (j + 1, y * 0.5 + 1), (0, x))[1]
                return i + 1, tf.cond(y[0] > 1.2, lambda: y - 1, lambda: y)
            return {"y": tf.while_loop(lambda i, x: i < 5, outer, (0, x))[1]}

        @tf.function(input_signature=[tf.TensorSpec([12], tf.float32, name="x"), tf.TensorSpec([], tf.int32, name="n"), tf.TensorSpec([2], tf.int64, name="shape")])
        def sized(self, x, n, shape):
            return {"y": tf.reshape(x, tf.cast(shape, tf.int32)), "r": tf.cast(tf.range(n), tf.float32) * x[0], "z": tf.zeros([n, 2]) + x[:n, None]}

    module = Control()
    n = lambda port, seed, shape: np.int32([3, 12, 7][seed]) if port == "n" else np.int64([[3, 4], [2, 6], [12, 1]][seed]) if port == "shape" else None
    save("control", module, {"collatz": module.collatz, "arrays": module.arrays, "nested": module.nested, "sized": module.sized}, fixed=n)


@model
def stateful():
    class Stateful(tf.Module):
        def __init__(self):
            self.total = tf.Variable(np.zeros(3, np.float32))
            self.count = tf.Variable(0, dtype=tf.int64)

        @tf.function(input_signature=[tf.TensorSpec([3], tf.float32, name="x")])
        def add(self, x):
            before = self.count.read_value()
            self.count.assign_add(1)
            for _ in tf.range(2):
                self.total.assign_add(x)
            if self.count > 1:
                self.total.assign(self.total * 0.5)
            return {"total": self.total.read_value(), "count": self.count.read_value(), "before": before}

        @tf.function(input_signature=[])
        def peek(self):
            return {"total": self.total * 1}

    module = Stateful()
    folder = os.path.join(here, "stateful")
    shutil.rmtree(folder, ignore_errors=True)
    tf.saved_model.save(module, folder, signatures={"serving_default": module.add, "peek": module.peek})
    tidy(folder)
    loaded = tf.saved_model.load(folder).signatures["serving_default"]
    results["stateful"] = [
        golden.case(lambda g: {k: v.numpy() for k, v in loaded(x=tf.constant(g["x"])).items()}, {"x": golden.fill([3], np.float32, s)}, {"x": s})
        for s in range(3)
    ]


@model
def augment():
    """Keras exports augmentation with its generators of random numbers, which are variables."""
    net = keras.Sequential([keras.Input((6, 5, 2)), L.RandomFlip(seed=3), L.RandomRotation(0.3, seed=4)])
    export("augment", net)


@model
def words():
    layer = L.StringLookup(vocabulary=["a", "b"])
    words_in = keras.Input((1,), dtype="string")
    folder = os.path.join(here, "words")
    shutil.rmtree(folder, ignore_errors=True)
    keras.Model(words_in, L.Embedding(4, 2)(layer(words_in))).export(folder, verbose=False)
    tidy(folder)


@model
def frozen():
    v1 = tf.compat.v1
    v1.disable_control_flow_v2()
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 3], name="x")
        flag = v1.placeholder_with_default(True, [], name="flag")
        w = tf.constant(np.sin(np.arange(9)).reshape(3, 3).astype(np.float32))
        i, y = tf.while_loop(lambda i, y: i < 4, lambda i, y: (i + 1, tf.nn.relu(tf.matmul(y, w)) + 0.1), [tf.constant(0), x])
        ta = tf.TensorArray(tf.float32, 3)
        _, ta = tf.while_loop(lambda t, a: t < 3, lambda t, a: (t + 1, a.write(t, y * tf.cast(t, tf.float32))), [tf.constant(0), ta])
        z = tf.cond(tf.reduce_sum(y) > 1.0, lambda: y * 2, lambda: tf.zeros_like(y) - y)
        c = tf.cond(flag, lambda: z + 1, lambda: z - 1)
        tf.identity(c, name="chosen")
        tf.identity(ta.stack(), name="stacked")
        definition = graph.as_graph_def()
    v1.enable_control_flow_v2()
    with open(os.path.join(here, "frozen.pb"), "wb") as file:
        file.write(definition.SerializeToString())
    tf.io.write_graph(definition, here, "frozen.pbtxt", as_text=True)
    cases = []
    for seed in range(3):
        inputs = {"x": golden.fill([2, 3], np.float32, seed)}
        with tf.Graph().as_default() as graph, v1.Session() as session:
            tf.import_graph_def(definition, name="")
            call = lambda g: dict(zip(["chosen", "stacked"], session.run(["chosen:0", "stacked:0"], {"x:0": g["x"]})))
            cases.append(golden.case(call, inputs, {"x": seed}))
    results["frozen"] = cases


@model
def session():
    """A TensorFlow 1 SavedModel, and the same as MetaGraph and checkpoint; one variable in parts."""
    v1 = tf.compat.v1
    folder = os.path.join(here, "session")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(os.path.join(here, "checkpoint"), ignore_errors=True)
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        w = v1.get_variable("w", initializer=np.sin(np.arange(24)).reshape(4, 6).astype(np.float32), use_resource=False)
        parts = v1.get_variable(
            "parts", [6, 5], initializer=v1.random_uniform_initializer(seed=3), partitioner=v1.fixed_size_partitioner(3), use_resource=False
        )
        bias = v1.get_variable("bias", initializer=np.arange(5, dtype=np.float32) * 0.1, use_resource=True)
        v1.get_variable("step", initializer=np.int64(7))
        y = tf.nn.softmax(tf.matmul(tf.matmul(x, w), tf.convert_to_tensor(parts)) + bias, name="y")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, folder, {"x": x}, {"y": y})
        os.makedirs(os.path.join(here, "checkpoint"))
        v1.train.Saver(sharded=True).save(session, os.path.join(here, "checkpoint", "model"), write_state=False)
    tidy(folder)
    run_signatures("session", folder)


@model
def graphjs():
    """TFJS graph models with plain and with quantised weights."""
    import stubs

    stubs.install()
    from tensorflowjs.converters import tf_saved_model_conversion_v2 as converter

    v1 = tf.compat.v1
    weight = lambda *shape: tf.constant((np.sin(np.arange(np.prod(shape)) * 1.3) * 0.4).reshape(shape).astype(np.float32))
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 10, 8, 3], name="image")
        y = tf.nn.relu6(tf.nn.bias_add(tf.nn.conv2d(x, weight(3, 3, 3, 8), 2, "SAME"), weight(8)))
        y = tf.nn.depthwise_conv2d(y, weight(3, 3, 8, 1), [1, 1, 1, 1], "SAME")
        scale, offset, mean, variance = (tf.abs(weight(8)) + 0.5 for _ in range(4))
        y = v1.nn.fused_batch_norm(y, scale, offset, mean, variance, is_training=False)[0]
        y = tf.nn.leaky_relu(tf.nn.max_pool2d(y, 2, 2, "SAME"))
        y = tf.matmul(tf.reshape(y, [-1, 3 * 2 * 8]), weight(48, 6))
        tf.nn.softmax(y, name="scores")
        definition = graph.as_graph_def()
    tf.io.write_graph(definition, "/tmp", "graphjs.pb", as_text=False)
    for name, quantization in {"graphjs": None, "graphjs-u8": {"uint8": "*"}, "graphjs-f16": {"float16": "*"}}.items():
        folder = os.path.join(here, name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        converter.convert_tf_frozen_model("/tmp/graphjs.pb", "scores", folder, quantization_dtype_map=quantization, weight_shard_size_bytes=1024)
    cases = []
    for seed in range(3):
        with tf.Graph().as_default(), v1.Session() as session:
            tf.import_graph_def(definition, name="")
            call = lambda g: {"scores": session.run("scores:0", {"image:0": g["image"]})}
            cases.append(golden.case(call, {"image": golden.fill([1 + seed, 10, 8, 3], np.float32, seed)}, {"image": seed}))
    results["graphjs"] = cases


@model
def ops():
    import zoo

    golden.LIMIT = 300
    definition, feeds, outputs = zoo.build()
    with open(os.path.join(here, "ops.pb"), "wb") as file:
        file.write(definition.SerializeToString())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(definition, name="")
        values = {}
        for name, tensor in outputs.items():
            try:
                values[name] = session.run(tensor, {f"{k}:0": a for k, (a, _) in feeds.items()})
            except Exception as error:
                print("no", name, str(error)[:200])
    golden.write(
        os.path.join(here, "ops.json"),
        {
            "inputs": {name: golden.spelled(seed, array) for name, (array, seed) in feeds.items()},
            "outputs": {name: {"tensor": outputs[name], **golden.numbers(value)} for name, value in values.items()},
        },
    )


for name, make in models.items():
    if not wanted or name in wanted:
        try:
            make()
            print("made", name)
        except Exception as error:
            import traceback

            print("FAILED", name, type(error).__name__, str(error)[:500])
            if os.environ.get("TRACE"):
                traceback.print_exc()
golden.write(path, results)
