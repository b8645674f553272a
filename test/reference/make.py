"""Makes the files of reference values with PyTorch, or checks those that are there. See README.md."""

import argparse
import json
import os
import sys

# The same kernels on every CPU that has AVX2, and no folders of compiled Python. Both must be set before the imports.
os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")
sys.dont_write_bytecode = True

try:
    import numpy
    import torch
except ImportError as error:
    sys.exit(f"{error}: apt-get install python3-torch python3-numpy, then /usr/bin/python3 {sys.argv[0]}")

from makers import attention, avg_pool2d, batch_norm, conv, copy, curves, files, first_steps, lenet, losses, norms, ops, optimizer_paths, optimizers, recurrent, reduce, resnet, schedules, take, transformers, tutorials  # noqa: E402

MAKERS = {
    "ops": ops.make,
    "copy": copy.make,
    "take": take.make,
    "reduce": reduce.make,
    "norms": norms.make,
    "avg_pool2d": avg_pool2d.make,
    "losses": losses.make,
    "attention": attention.make,
    "transformers": transformers.make,
    "conv": conv.make,
    "resnet": resnet.make,
    "recurrent": recurrent.make,
    "first_steps": first_steps.make,
    "lenet": lenet.make_lenet,
    "epoch": lenet.make_epoch,
    "schedules": schedules.make,
    "optimizers": optimizers.make,
    "optimizer_paths": optimizer_paths.make,
    "batch_norm": batch_norm.make,
    "lenet_bn": lenet.make_lenet_bn,
    "curves": curves.make,
    "tutorials": tutorials.make,
}
INDENT = {"schedules": 1, "curves": None, "tutorials": 1}  # of the files in JSON; the others are safetensors

# How far a value may be from the committed one, as a part of the largest value of its tensor: by file, then by what the
# value was computed in. "stored" are inputs, and results of float64 arithmetic rounded to float32.
BOUNDS = {
    "ops": {"stored": 4e-6},
    "copy": {"stored": 4e-6},
    "take": {"stored": 4e-6},
    "reduce": {"stored": 4e-6},
    "norms": {"stored": 4e-6},
    "avg_pool2d": {"stored": 4e-6},
    "losses": {"stored": 4e-6},
    "attention": {"stored": 4e-6},
    "transformers": {"stored": 4e-6},
    "conv": {"stored": 4e-6},
    "resnet": {"stored": 4e-6, "float32": 2e-2, "float64": 1e-6},
    "recurrent": {"stored": 4e-6},
    "first_steps": {"stored": 0},
    "lenet": {"stored": 4e-6},
    "epoch": {"stored": 1e-4, "float32": 1e-4},
    "optimizers": {"stored": 0, "float32": 1e-5, "float64": 1e-12},
    "optimizer_paths": {"stored": 1e-9},
    "batch_norm": {"stored": 0, "float32": 1e-3, "float64": 1e-11},
    "lenet_bn": {"stored": 4e-6, "float32": 2e-2, "float64": 1e-6},
}
JSON_BOUND = 1e-9  # of a number in JSON, as a part of that number


def path_of(name):
    return os.path.join(files.FOLDER, f"{name}.{'json' if name in INDENT else 'safetensors'}")


def encoded(name, made):
    if name in INDENT:
        return json.dumps(made, indent=INDENT[name]).encode()
    return files.encode(*made)


def distance(made, committed):
    """The largest difference as a part of the largest committed value."""
    difference = numpy.abs(made.astype(numpy.float64) - committed).max(initial=0)
    return difference if difference == 0 else difference / max(numpy.abs(committed).max(), 1e-300)


def compare_json(made, committed, where=""):
    """Texts that say what differs; lists and dictionaries are compared part by part."""
    if isinstance(committed, dict) and isinstance(made, dict) and made.keys() == committed.keys():
        return [text for key in committed for text in compare_json(made[key], committed[key], f"{where}.{key}")]
    if isinstance(committed, list) and isinstance(made, list) and len(made) == len(committed):
        pairs = enumerate(zip(made, committed))
        return [text for i, (a, b) in pairs for text in compare_json(a, b, f"{where}[{i}]")]
    numbers = all(isinstance(value, (int, float)) for value in [made, committed])
    same = abs(made - committed) <= JSON_BOUND * abs(committed) if numbers else made == committed
    return [] if same else [f"{where}: made {made}, committed {committed}"]


def compare_tensors(name, made, committed):
    """Texts that say what differs by more than the bound, and the largest distance with the tensor that has it."""
    (tensors, cases), (others, other_cases) = made, committed
    if name == "epoch":
        # Where float32 leaves the plateau depends on the CPU: only the first 50 of its losses can be compared.
        for one in [cases, other_cases]:
            del one[0]["largest_float32_deviation"]
        for one in [tensors, others]:
            one["losses_float32"] = one["losses_float32"][:50]
    if name in ["optimizer_paths", "recurrent", "first_steps", "transformers"]:
        for one in [*cases, *other_cases]:
            one.pop("float32_deviation", None)  # rounding is the CPU's
    wrong = compare_json(cases, other_cases, "cases")
    if list(tensors) != list(others):
        return [*wrong, f"other tensors: {sorted(set(tensors) ^ set(others))[:5]}"], (0, "")
    largest = (0, "")
    for key, value in tensors.items():
        other = others[key]
        if (value.dtype, value.shape) != (other.dtype, other.shape):
            wrong.append(f"{key}: made {value.dtype} {value.shape}, committed {other.dtype} {other.shape}")
            continue
        far = distance(value, other)
        largest = max(largest, (far, key))
        precision = next((one for one in ["float32", "float64"] if one in key), "stored")
        bound = BOUNDS[name][precision]
        if not far <= bound:
            wrong.append(f"{key}: {far:.2g} of the largest value away, more than {bound}")
    return wrong, largest


def check(name, made, args):
    """Compares with the committed file, says how that went, and tells whether all is well."""
    with open(path_of(name), "rb") as file:
        committed = file.read()
    content = encoded(name, made)
    if content == committed:
        print(f"{name}: the same bytes")
        return True
    if name in INDENT:
        expected = json.loads(committed)
        if name == "curves":
            chosen = [run for run in expected["runs"] if run["run"] in args.runs and run["seed"] in args.seeds]
            expected["runs"] = [{**run, "epochs": run["epochs"][: args.epochs]} for run in chosen]
        made = json.loads(content)
        if name == "tutorials":
            for one in [*made.values(), *expected.values()]:
                del one["float32Deviation"]  # rounding is the CPU's
        wrong, note = compare_json(made, expected), ""
    else:
        wrong, (far, key) = compare_tensors(name, files.decode(content), files.decode(committed))
        note = f", largest difference {far:.2g} of the largest value, in {key}" if key else ""
    print(f"{name}: {'differs' if wrong else 'the same within the bounds'}{note}")
    for text in wrong[:20]:
        print(f"  {text}")
    if len(wrong) > 20:
        print(f"  and {len(wrong) - 20} more")
    return not wrong


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"{', '.join(MAKERS)}; without any: all but curves")
    parser.add_argument("--check", action="store_true", help="write nothing, and exit with 1 if a committed file differs")
    parser.add_argument("--runs", nargs="+", choices=curves.RUNS, default=list(curves.RUNS), help="of curves")
    parser.add_argument("--seeds", nargs="+", type=int, choices=curves.SEEDS, default=curves.SEEDS, help="of curves")
    parser.add_argument("--epochs", type=int, default=curves.EPOCHS, help="of each run of curves")
    args = parser.parse_args()
    for name in args.files:
        if name not in MAKERS:
            parser.error(f"'{name}' is not one of {', '.join(MAKERS)}")
    whole = (args.runs, args.seeds, args.epochs) == (list(curves.RUNS), curves.SEEDS, curves.EPOCHS)
    if "curves" in args.files and not whole and not args.check:
        parser.error("some of the runs of curves, or some of their epochs, can only be checked: add --check")
    return args


def main():
    args = arguments()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    well = True
    for name in args.files or [name for name in MAKERS if name != "curves"]:
        made = MAKERS[name](args)
        if args.check:
            well = check(name, made, args) and well
        else:
            with open(path_of(name), "wb") as file:
                file.write(encoded(name, made))
            print(f"{name}: written")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
