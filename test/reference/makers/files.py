"""Files: reads and writes safetensors, and reads the images of Fashion-MNIST."""

import gzip
import json
import os
import struct

import numpy
import torch

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = f"torch {torch.__version__}"
DATA = os.environ.get("FASHION_MNIST_DIR", os.path.expanduser("~/.cache/dawngrad/fashion-mnist"))
DTYPES = {"F32": numpy.float32, "F64": numpy.float64, "I32": numpy.int32, "U8": numpy.uint8}
NAMES = {numpy.dtype(dtype): name for name, dtype in DTYPES.items()}


def encode(tensors, cases):
    """The bytes of a safetensors file: the header's length, the header in JSON, then every value, little-endian."""
    arrays = {name: numpy.asarray(value.detach() if torch.is_tensor(value) else value) for name, value in tensors.items()}
    header = {"__metadata__": {"cases": json.dumps(cases), "source": SOURCE}}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(array.tobytes() for array in arrays.values())


def decode(content):
    """The tensors of a safetensors file, and its cases."""
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__")
    body = content[8 + length :]
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        tensors[name] = numpy.frombuffer(body[start:end], DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, json.loads(metadata["cases"])


def images_and_labels(part="train"):
    """Fashion-MNIST: images as bytes [N, 1, 28, 28] and labels as bytes [N]. `part` is 'train' or 't10k'."""

    def read(name, offset):
        with gzip.open(os.path.join(DATA, f"{part}-{name}-ubyte.gz")) as file:
            return numpy.frombuffer(file.read(), numpy.uint8, offset=offset)

    return read("images-idx3", 16).reshape(-1, 1, 28, 28), read("labels-idx1", 8)


def scaled(images):
    """Images as float32 from 0 to 1, as the tests scale them: float32(byte) / 255."""
    return torch.from_numpy(images.copy()).float() / 255
