# Outputs of TensorFlow Lite's reference kernels for .tflite files: ai-edge-litert 2.x, numpy.
# python golden.py FOLDER OUT.json: every .tflite file below FOLDER, three input patterns each, two runs in a row.
import json, os, re, sys
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

BITS = {"int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "int64": 64, "uint64": 64}


def values(dtype, shape, pattern):
    """The same numbers as patternOf in test/models/tflite/patterns.ts."""
    k = np.arange(int(np.prod(shape)), dtype=np.int64)
    name = np.dtype(dtype).name
    if name.startswith("float"):
        v = [np.sin(0.7 * k) * 0.5, np.cos(0.3 * k) * 1.5, ((k * 40503) % 65536) / 16384 - 2][pattern]
    elif name == "bool":
        v = [k % 2 == 0, k % 3 == 0, k % 5 < 2][pattern]
    elif name in ("int8", "uint8", "int16", "uint16"):
        span = 1 << BITS[name]
        low = 0 if name[0] == "u" else -span // 2
        v = [(37 * k) & 63, (91 * k + 7) % span + low, (40503 * k + 12345) % 65521 % span + low][pattern]
    else:
        v = [(37 * k) & 63, (5 * k + 1) & 7, (11 * k + 3) % 17][pattern]
    return v.astype(dtype).reshape(shape)


def digest(a):
    """FNV-1a of the bytes."""
    h = 0x811C9DC5
    for byte in np.ascontiguousarray(a).tobytes():
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


def number(x):
    return float("%.8g" % float(x)) if np.isfinite(x) else str(float(x))


def summary(a):
    name = a.dtype.name
    if name.startswith("complex"):
        a = a.view(np.float32 if name == "complex64" else np.float64)
    flat = a.astype(np.float64).ravel()
    out = {"shape": list(a.shape), "dtype": name, "first": [number(x) for x in flat[:16]]}
    if flat.size > 16:
        finite = flat[np.isfinite(flat)]
        out.update(sum=number(finite.sum()), l2=number(np.sqrt((finite**2).sum())), argmax=int(flat.argmax()))
        if not name.startswith("float"):
            out["hash"] = digest(a)
    return out


def forked(path):
    """In a process of its own: some models bring the interpreter down."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(write, "w") as f:
            try:
                json.dump(run(path), f)
            except Exception as e:
                print(os.path.basename(path), str(e).strip().splitlines()[-1][:200], file=sys.stderr)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as f:
        text = f.read()
    if os.waitpid(child, 0)[1] != 0:
        print(os.path.basename(path), "crashed", file=sys.stderr)
    return json.loads(text) if text else None


def hybrid(path):
    """Whether floats are multiplied by small integers: what the default kernels do in their own way."""
    m = schema.ModelT.InitFromObj(schema.Model.GetRootAs(open(path, "rb").read(), 0))
    small = (schema.TensorType.INT8, schema.TensorType.INT4)
    products = (3, 4, 9, 67, 126)  # CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV, BATCH_MATMUL
    for g in m.subgraphs:
        for o in g.operators or []:
            code = m.operatorCodes[o.opcodeIndex]
            types = [g.tensors[i].type for i in o.inputs if i >= 0]
            if max(code.builtinCode, code.deprecatedBuiltinCode) in products and types[0] == 0 and types[1] in small:
                return True
    return False


def interpreter(path):
    kinds = [OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES]
    # The reference kernel of SUM reads small integers as if they were unsigned bytes.
    if re.match("sum_(last_)?i", os.path.basename(path)):
        kinds = kinds[1:]
    if hybrid(path):
        kinds = [OpResolverType.AUTO]
    for kind in kinds:
        try:
            it = Interpreter(model_path=path, experimental_op_resolver_type=kind)
            it.allocate_tensors()
            return it
        except Exception as e:
            error = e
    raise error


def run(path):
    patterns = []
    for pattern in range(3):
        it = interpreter(path)
        runs = []
        for _ in range(2):
            for i in it.get_input_details():
                it.set_tensor(i["index"], values(i["dtype"], i["shape"], pattern))
            it.invoke()
            runs.append([summary(it.get_tensor(o["index"])) for o in it.get_output_details()])
        patterns.append(runs[:1] if runs[0] == runs[1] else runs)
    return patterns


if __name__ == "__main__":
    folder, out = sys.argv[1:3]
    result = {}
    for root, _, files in sorted(os.walk(folder)):
        for file in sorted(files):
            if not file.endswith(".tflite"):
                continue
            path = os.path.join(root, file)
            name = os.path.relpath(path, folder)
            summaries = forked(path)
            if summaries:
                result[name] = summaries
    with open(out, "w") as f:
        f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in result.items()) + "\n}\n")
