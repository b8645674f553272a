"""Writes the flowers and pictures of examples/sample, and data_files.json: small files of NumPy, pandas with pyarrow, and Pillow, in base64, with what they hold. See README.md."""

import base64
import gzip
import io
import json
import os

import numpy
import pandas
import PIL.Image

NUMBERS = {
    "f2": [[1.5, -2, 65504], [6e-8, 0.333251953125, -0.0]],
    "f4": [[1.5, -2, 3e38], [1e-45, 0.1, 16777217]],
    "f8": [[1.5, -2, 3e38], [1e-45, 0.1, 16777217]],
    "i1": [[-128, 127, 0], [1, 2, 3]],
    "u1": [[255, 128, 0], [1, 2, 3]],
    "i2": [[-32768, 32767, 0], [1, 2, 3]],
    "u2": [[65535, 32768, 0], [1, 2, 3]],
    "i4": [[-(2**31), 2**31 - 1, 0], [1, 2, 3]],
    "u4": [[2**31 - 1, 65536, 0], [1, 2, 3]],
    "i8": [[-(2**31), 2**31 - 1, 0], [1, -2, 3]],
    "u8": [[2**31 - 1, 65536, 0], [1, 2, 3]],
    "?": [[True, False, False], [True, True, False]],
}


def written(write):
    buffer = io.BytesIO()
    write(buffer)
    return base64.b64encode(buffer.getvalue()).decode()


def npy(array, version=(1, 0)):
    return written(lambda buffer: numpy.lib.format.write_array(buffer, array, version=version))


def arrays():
    found = {}
    for kind, values in NUMBERS.items():
        for order in "<>":
            for layout in "CF":
                array = numpy.array(values).astype(order + kind, order=layout)
                found[f"{order}{kind} {layout}"] = {
                    "file": npy(array),
                    "shape": list(array.shape),
                    "values": [float(numpy.float32(x)) if "f" in kind else int(x) for x in array.ravel()],
                }
    deep = numpy.asfortranarray(numpy.arange(2 * 3 * 4 * 5, dtype="<i4").reshape(2, 3, 4, 5))
    for name, array, version in [
        ("four dimensions", deep, (1, 0)),
        ("version 2", deep, (2, 0)),
        ("version 3", deep, (3, 0)),
        ("no dimensions", numpy.array(7, "<i4"), (1, 0)),
        ("one dimension", numpy.arange(3, dtype="<i4"), (1, 0)),
        ("no elements", numpy.zeros((2, 0, 3), "<i4"), (1, 0)),
    ]:
        values = [int(x) for x in array.ravel()]
        found[name] = {"file": npy(array, version), "shape": list(array.shape), "values": values}
    return found


def archives():
    x, y = numpy.arange(600, dtype="<f4").reshape(100, 6), numpy.arange(100, dtype="<i8") % 3
    return {
        "stored": written(lambda buffer: numpy.savez(buffer, x=x, y=y)),
        "deflated": written(lambda buffer: numpy.savez_compressed(buffer, x=x, y=y)),
    }


def refused():
    """Arrays of types that are not supported, by what they hold."""
    return {
        "objects": npy(numpy.array([None, {}])),
        "texts": npy(numpy.array(["a", "bc"])),
        "complex": npy(numpy.array([1j])),
        "fields": npy(numpy.zeros(2, [("x", "<f4"), ("y", "<i4")])),
    }


def parquet():
    frame = pandas.DataFrame(
        {
            "length": [1.5, None, 3.25, 4.0],
            "count": numpy.array([1, 2, 3, -4], "int64"),
            "id": numpy.array([1, 2**40, 3, 4], "int64"),
            "kind": ["a", "b", None, "a"],
            "good": [True, False, True, True],
            "when": pandas.to_datetime(["2024-01-01"] * 4),
        }
    )
    frames = {"snappy": frame, "gzip": frame, "zstd": frame, "no rows": frame[:0], "large": pandas.DataFrame({"id": [1, 2**60]})}
    return {
        name: written(lambda buffer: of.to_parquet(buffer, compression=name if name in ["gzip", "zstd"] else "snappy", index=False))
        for name, of in frames.items()
    }


def images():
    """A picture of 5 × 3 pixels in the modes of PNG; and one of 24 × 16 as JPEG, with Pillow's pixels."""
    ramp = numpy.arange(15, dtype="u1").reshape(3, 5) * 17
    rgb = numpy.stack([ramp, 255 - ramp, ramp.T.reshape(3, 5)], 2)
    rgba = numpy.dstack([rgb, 255 - ramp // 2])
    pictures = {
        "grey": PIL.Image.fromarray(ramp),
        "1 bit": PIL.Image.fromarray((ramp // 17 % 2 * 255).astype("u1")).convert("1"),
        "16 bits": PIL.Image.fromarray((ramp.astype("u2") * 257)),
        "grey and alpha": PIL.Image.fromarray(numpy.dstack([ramp, 255 - ramp])),
        "rgb": PIL.Image.fromarray(rgb),
        "rgba": PIL.Image.fromarray(rgba),
        "palette": PIL.Image.fromarray(rgb).quantize(8),
    }
    found = {}
    for name, image in pictures.items():
        shown = image if name in ["grey", "1 bit", "grey and alpha"] else image.convert("RGBA" if name == "rgba" else "RGB")
        if name == "1 bit":
            shown = image.convert("L")
        if name == "16 bits":
            pixels = ramp
        else:
            pixels = numpy.asarray(shown)
        pixels = pixels.reshape(3, 5, -1)
        file = written(lambda buffer: image.save(buffer, "png"))
        found[f"png {name}"] = {"file": file, "shape": list(pixels.shape), "values": pixels.ravel().tolist()}
    down, right = numpy.mgrid[0:16, 0:24]
    soft = numpy.stack([right * 10, down * 15, 255 - right * 5 - down * 5], 2).astype("u1")
    for name, image, options in [
        ("jpeg rgb", PIL.Image.fromarray(soft), {"subsampling": 0}),
        ("jpeg progressive", PIL.Image.fromarray(soft), {"subsampling": 0, "progressive": True}),
        ("jpeg grey", PIL.Image.fromarray(soft[:, :, 0]), {}),
    ]:
        file = written(lambda buffer: image.save(buffer, "jpeg", quality=90, **options))
        pixels = numpy.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(file)))).reshape(16, 24, -1)
        found[name] = {"file": file, "shape": list(pixels.shape), "values": pixels.ravel().tolist()}
    return found


def samples(folder):
    """Invented flowers of three kinds in CSV, npz and Parquet; and four pictures of the sample of Fashion-MNIST, by class."""
    random = numpy.random.default_rng(0)
    kinds = ["daisy", "lily", "rose"]
    kind = numpy.arange(90) % 3
    centre = numpy.array([[2.0, 5.0, 1.0], [6.0, 9.0, 3.0], [4.0, 4.0, 5.0]])
    sizes = numpy.round(centre[kind] + 0.7 * random.standard_normal((90, 3)), 2)
    frame = pandas.DataFrame(sizes, columns=["petals", "height", "width"])
    frame["kind"] = [kinds[k] for k in kind]
    frame.loc[[7, 40], "width"] = numpy.nan
    frame.to_csv(os.path.join(folder, "flowers.csv"), index=False)
    frame.to_parquet(os.path.join(folder, "flowers.parquet"), index=False)
    numpy.savez_compressed(os.path.join(folder, "flowers.npz"), x=sizes, y=kind)
    images = numpy.frombuffer(gzip.open(os.path.join(folder, "t10k-images-idx3-ubyte.gz")).read()[16:], "u1").reshape(-1, 28, 28)
    labels = numpy.frombuffer(gzip.open(os.path.join(folder, "t10k-labels-idx1-ubyte.gz")).read()[8:], "u1")
    for name, label in [("bag", 8), ("boot", 9)]:
        for i, which in enumerate(numpy.flatnonzero(labels == label)[:2]):
            os.makedirs(os.path.join(folder, "pictures", name), exist_ok=True)
            PIL.Image.fromarray(images[which]).save(os.path.join(folder, "pictures", name, f"{i}.png"))


made = {"npy": arrays(), "npz": archives(), "refused": refused(), "parquet": parquet(), "images": images()}
folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, "data_files.json"), "w") as file:
    parts = [f'{json.dumps(part)}: {{\n' + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in of.items()) + "\n}" for part, of in made.items()]
    file.write("{\n" + ",\n".join(parts) + "\n}\n")
samples(os.path.join(folder, "..", "..", "examples", "sample"))
