"""An independent referee: onnxruntime computes what this project exports, and must agree with the CPU engine.

    python3 -m venv target/referee
    target/referee/bin/pip install -r tests/referee/requirements.txt
    cargo run --release -p bench -- onnx-cases target/onnx-cases
    cargo run --release -p pofx -- export binary-mnist-vae --onnx target/bench/models
    target/referee/bin/python tests/referee/check_onnx.py target/onnx-cases target/bench/models

Each folder holds `<name>.onnx` and, beside it, `<name>.safetensors` with tensors `in.<input>` and `out.<output>`; a golden
vector need not know every output. onnx checks the files against the standard, shapes of all values included; then
onnxruntime runs them. |a - b| must be at most 1e-7 + 1e-4 of the largest value of the output + 1e-4 |b|: for sums of some
thousand terms in another order, and for gradients that are 0 but for rounding (the bias of attention's keys).
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import load_file

ATOL, RTOL = 1e-7, 1e-4


def main(folders: list[str]) -> int:
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.onnx"))]
    if not files:
        print("no .onnx file in", *folders)
        return 1
    failed = 0
    for file in files:
        try:
            worst, outputs, where = referee(file)
        except Exception as error:  # a file that onnxruntime refuses is a failure like any other
            failed += 1
            print(f"{file.stem:24} FAILED: {str(error).splitlines()[0]}")
            continue
        verdict = "ok" if worst <= 1 else "FAILED"
        failed += worst > 1
        print(f"{file.stem:24} {verdict}: {outputs} outputs, largest error {worst:.3f} of the tolerance ({where})")
    print(f"{len(files) - failed} passed, {failed} failed; onnxruntime {onnxruntime.__version__}")
    return int(failed > 0)


def referee(file: Path) -> tuple[float, int, str]:
    """The largest error in units of the tolerance, the number of outputs, and the worst one's name."""
    onnx.checker.check_model(str(file), full_check=True)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    tensors = load_file(file.with_suffix(".safetensors"))
    feeds = {i.name: tensors[f"in.{i.name}"].astype(np.float32) for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs() if f"out.{o.name}" in tensors]
    worst = {name: error(got, tensors[f"out.{name}"]) for name, got in zip(names, session.run(names, feeds))}
    where = max(worst, key=lambda name: worst[name])
    return worst[where], len(names), where


def error(got: np.ndarray, wanted: np.ndarray) -> float:
    if got.shape != wanted.shape or not np.isfinite(got).all():
        return float("inf")
    allowed = ATOL + RTOL * np.abs(wanted) + RTOL * np.abs(wanted).max(initial=0.0)
    off = np.abs(got.astype(np.float64) - wanted)
    return float(np.max(off / allowed, initial=0.0))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
