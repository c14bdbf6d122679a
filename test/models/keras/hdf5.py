"""Writes hdf5/*.h5 and hdf5/expected.json: the structures of HDF5 that the reader knows, small. Wants h5py 3.14, numpy."""

import json
import os

import h5py
import numpy as np

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hdf5")
os.makedirs(folder, exist_ok=True)


def fill(file, chunks):
    values = np.arange(60, dtype="f4").reshape(5, 12) / 7
    file["plain/f32"] = values
    file["plain/f16"] = values.astype("f2")
    file["plain/f64"] = values.astype("f8")
    file["plain/i8"] = np.arange(-5, 5, dtype="i1")
    file["plain/u16"] = np.arange(9, dtype="u2") * 7000
    file["plain/i64"] = np.arange(-3, 3, dtype="i8") * 2**40
    file["plain/big"] = values.astype(">f4")
    file["plain/bool"] = np.array([True, False, True])
    file["plain/scalar"] = np.float32(2.5)
    file["plain/empty"] = np.zeros((0, 3), "f4")
    file["plain/void"] = np.arange(4, dtype="u2").view("V2")
    file["plain/fixed"] = np.array([b"one", b"three"], "S8")
    file.create_dataset("plain/text", data=["eins", "zwölf", ""], dtype=h5py.string_dtype())
    file.create_dataset("plain/unset", (3, 2), "f4", fillvalue=1.5)
    big = np.arange(37 * 23, dtype="i4").reshape(37, 23)
    file.create_dataset("chunked/plain", data=big, chunks=(8, 8))
    file.create_dataset("chunked/single", data=big, chunks=(37, 23))
    file.create_dataset("chunked/single_deflate", data=big, chunks=(37, 23), compression="gzip")
    file.create_dataset("chunked/deflate", data=big, chunks=(10, 5), compression="gzip", shuffle=True)
    file.create_dataset("chunked/checked", data=big, chunks=(10, 5), compression="gzip", fletcher32=True)
    file.create_dataset("chunked/growing", data=big, chunks=(3, 23), maxshape=(None, 23))
    file.create_dataset("chunked/growing_deflate", data=big, chunks=(1, 23), maxshape=(None, 23), compression="gzip")
    file.create_dataset("chunked/both", data=big, chunks=(3, 4), maxshape=(None, None))
    file.create_dataset("chunked/both_deflate", data=big, chunks=(3, 4), maxshape=(None, None), compression="gzip")
    many = np.arange(chunks, dtype="i2")
    file.create_dataset("chunked/many", data=many, chunks=(1,), maxshape=(None,))
    file.create_dataset("chunked/paged", data=many, chunks=(1,))
    part = file.create_dataset("chunked/part", (20, 20), "i2", chunks=(4, 4), fillvalue=-7)
    part[5:9, 3:6] = 4
    group = file.create_group("wide")
    for i in range(120):
        group.create_group(f"layer_{i}").attrs["i"] = i
    group["soft"] = h5py.SoftLink("/plain/f32")
    group["near"] = h5py.SoftLink("layer_3")
    named = file.create_group("attributes")
    for i in range(20):
        named.attrs[f"a{i}"] = np.arange(i, dtype="i4")
    named.attrs["names"] = np.array([b"kernel:0", b"bias:0"])
    named.attrs["text"] = "wörtlich"
    named.attrs["texts"] = ["a", "bc"]
    named.attrs["long"] = np.arange(1200, dtype="i4")


def value(array):
    array = np.asarray(array)
    if array.dtype.kind == "V":
        array = array.view("u2")
    if array.dtype.kind in "OSU":
        return {"text": [x.decode() if isinstance(x, bytes) else x for x in array.ravel().tolist()]}
    if array.dtype.kind == "b":
        array = array.astype("i1")
    flat = array.ravel().tolist()
    return {"shape": list(array.shape), "numbers": [str(x) for x in flat] if array.dtype.itemsize == 8 and array.dtype.kind == "i" else flat}


def describe(name):
    result = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            result[name] = value(item[()])
        for key, attribute in item.attrs.items():
            result[f"{name}@{key}"] = value(attribute)

    with h5py.File(os.path.join(folder, name + ".h5")) as file:
        file.visititems(visit)
    with open(os.path.join(folder, name + ".json"), "w") as out:
        json.dump(result, out, separators=(",", ":"))


for name, options in {
    "earliest": {"libver": "earliest"},
    "latest": {"libver": "latest"},
    "v18": {"libver": ("v108", "v108")},
    "tracked": {"libver": "latest", "track_order": True},
}.items():
    path = os.path.join(folder, name + ".h5")
    with h5py.File(path, "w", **options) as file:
        fill(file, 1100 if name == "latest" else 100)
    # The other two hold the same.
    if name in ("earliest", "latest"):
        describe(name)
with h5py.File(os.path.join(folder, "userblock.h5"), "w", userblock_size=1024) as file:
    file["x"] = np.arange(5, dtype="f4")
describe("userblock")
