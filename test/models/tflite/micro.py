# Outputs of TensorFlow Lite Micro for models that only it runs: tflite-micro 0.dev2026, numpy.
# python micro.py OUT.json FOLDER FILE...: three input patterns each, three runs in a row.
import json, os, sys
from tflite_micro.python.tflite_micro import runtime
from golden import summary, values

out, folder, *files = sys.argv[1:]
result = {}
for file in files:
    patterns = []
    for pattern in range(3):
        it = runtime.Interpreter.from_file(os.path.join(folder, file))
        runs = []
        for _ in range(3):
            d = it.get_input_details(0)
            it.set_input(values(d["dtype"], d["shape"], pattern), 0)
            it.invoke()
            runs.append([summary(it.get_output(0))])
        patterns.append(runs[:1] if runs[0] == runs[1] == runs[2] else runs)
    result[file] = patterns
with open(out, "w") as f:
    f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in result.items()) + "\n}\n")
