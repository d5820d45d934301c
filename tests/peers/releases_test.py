# SPDX-FileCopyrightText: The moecal authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/peers/releases.py: what the tables say of the libraries that either side ran, and that measure_card.sh takes
PyTorch's where it has them as packages."""
import contextlib
import ctypes
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock

from doubles import gemm, grouped, observation
import interrupts
import peers
import releases

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


def fake_torch(cudnn=92601):
    version = cudnn if callable(cudnn) else lambda: cudnn
    return types.SimpleNamespace(backends=types.SimpleNamespace(cudnn=types.SimpleNamespace(version=version)))


def by(name, release, o):
    return o | {"library": {"name": name, "runtime_version": release}}


PRODUCTS = [by("cuBLASLt", "13.1.0", gemm()), by("cuBLAS", "13.1.0", grouped())]
ATTENTION = by("cuDNN", "9.19.0", observation("attention", {"batch": 1}))


class InAFolder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def put_torch(self, *libraries):
        """A PyTorch that cannot be imported, and packages with these libraries."""
        for name in ("torch/__init__.py", *(f"nvidia/{library}" for library in libraries)):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text("raise SystemError")


class Releases(InAFolder):
    def text(self, observations, cublaslt="13.4.1", torch=fake_torch()):
        loaded = [cublaslt] if cublaslt else []
        with unittest.mock.patch.object(releases, "loaded_files", lambda _: loaded), \
                unittest.mock.patch.object(releases, "cublaslt_release", str), \
                unittest.mock.patch.object(releases, "folders", lambda _: ["/of/torch"]):
            return releases.text(observations, torch)

    def test_releases_that_differ_are_said_to_with_what_they_are_in(self):
        self.assertEqual(
            self.text([*PRODUCTS, ATTENTION], torch=fake_torch(91900)),
            "cuBLASLt: moecal 13.1.0, PyTorch 13.4.1. **The releases differ: ratios of expert_gemm, grouped_gemm to what PyTorch "
            "does by cuBLASLt are the releases' too.** To measure with PyTorch's: LD_LIBRARY_PATH=/of/torch.\n"
            "cuDNN: moecal 9.19.0, PyTorch 9.19.0.")
        self.assertIn("cuDNN: moecal 9.19.0, PyTorch 9.26.1. **The releases differ: ratios of attention ", self.text([ATTENTION]))

    def test_a_run_of_two_releases_differs(self):
        two = [*PRODUCTS, by("moecal+cuBLASLt", "13.4.1", observation("moe_layer", {}))]
        self.assertIn("moecal 13.1.0 and 13.4.1, PyTorch 13.4.1. **The releases differ", self.text(two))

    def test_what_is_missing_is_no_difference(self):
        self.assertEqual(self.text(PRODUCTS, cublaslt=""), "cuBLASLt: moecal 13.1.0, PyTorch none.")
        self.assertEqual(self.text([ATTENTION], torch=fake_torch(None)), "cuDNN: moecal 9.19.0, PyTorch none.")
        self.assertEqual(self.text(PRODUCTS, torch=None), "")
        self.assertEqual(self.text([by("oneDNN", "3.7", gemm()), gemm()]), "")

    def test_what_pytorch_refuses_is_said(self):
        def refuse():
            raise RuntimeError("cuDNN version incompatibility")

        self.assertIn("PyTorch unknown (cuDNN version incompatibility). **", self.text([ATTENTION], torch=fake_torch(refuse)))

    @unittest.skipUnless(shutil.which("cc"), "no C compiler")
    def test_the_library_that_the_process_has_loaded_is_asked(self):
        path = self.folder / "libcublasLt.so.13"
        subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", path], check=True, text=True,
                       input="#include <stddef.h>\nsize_t cublasLtGetVersion(void) { return 130401; }\n")
        self.assertEqual(releases.loaded_files("libcublasLt.so"), [])
        self.assertNotIn("cuBLASLt", releases.releases_of(fake_torch()))
        library = ctypes.CDLL(str(path))
        self.assertEqual(releases.releases_of(fake_torch()), {"cuBLASLt": "13.4.1", "cuDNN": "9.26.1"})
        del library

    def test_the_tables_say_it(self):
        file = self.folder / "o.jsonl"
        file.write_text(json.dumps(PRODUCTS[0] | {"outcome": {"kind": "measured"}, "ranks": {"world": 1}, "commit": "abc"}))
        with unittest.mock.patch.object(sys, "argv", ["peers.py", str(file)]), \
                unittest.mock.patch.dict(sys.modules, {"torch": fake_torch()}), \
                unittest.mock.patch.object(peers, "run_peers", lambda *_: None), \
                unittest.mock.patch.object(releases, "loaded_files", lambda _: []), \
                contextlib.redirect_stdout(io.StringIO()) as said:
            peers.main(unittest.mock.create_autospec(interrupts.Interrupts, instance=True))
        self.assertIn("\ncuBLASLt: moecal 13.1.0, PyTorch none.\n", said.getvalue())


class Folders(InAFolder):
    def test_are_those_of_packages_for_cuda_13(self):
        self.put_torch("cu13/lib/libcublasLt.so.13", "cudnn/lib/libcudnn.so.9", "nccl/lib/libnccl.so.2")
        self.assertEqual(releases.folders([str(self.folder)]),
                         [f"{self.folder}/nvidia/cu13/lib", f"{self.folder}/nvidia/cudnn/lib"])
        self.assertNotIn(str(self.folder), sys.path)

    def test_are_none_for_another_cuda_or_without_packages(self):
        self.put_torch("cublas/lib/libcublasLt.so.12", "cudnn/lib/libcudnn.so.9")
        self.assertEqual(releases.folders([str(self.folder)]), [])
        with unittest.mock.patch.object(sys, "path", []):
            self.assertEqual(releases.folders([]), [])


class MeasureCard(InAFolder):
    """With a double of moecal, that says where it looks for libraries and measures nothing."""

    def measure(self, device, **environment):
        moecal = self.folder / "build" / "bin" / "moecal"
        moecal.parent.mkdir(parents=True, exist_ok=True)
        moecal.write_text('#!/bin/sh\necho "looks in ${LD_LIBRARY_PATH:-}."\nexit 3\n')
        moecal.chmod(0o755)
        known = {name: value for name, value in os.environ.items() if name not in ("LD_LIBRARY_PATH", "PYTHONPATH")}
        done = subprocess.run([SCRIPTS / "measure_card.sh", "--device", device, "--out", self.folder], text=True, check=False,
                              capture_output=True, env=known | {"MOECAL_BUILD": str(self.folder / "build"),
                                                                "MOECAL_PYTHON": sys.executable} | environment)
        self.assertEqual(done.returncode, 3, done.stderr)
        return done.stdout, done.stderr

    def test_takes_pytorchs_libraries_for_a_gpu_after_the_users(self):
        self.put_torch("cu13/lib/libcublasLt.so.13")
        site = {"PYTHONPATH": str(self.folder)}
        theirs = f"{self.folder}/nvidia/cu13/lib"
        said, why = self.measure("cuda", **site)
        self.assertIn(f"looks in {theirs}.", said)
        self.assertIn("cuBLAS and cuDNN are PyTorch's", why)
        self.assertIn(f"looks in /mine:{theirs}.", self.measure("cuda", LD_LIBRARY_PATH="/mine", **site)[0])
        self.assertIn("looks in .", self.measure("cpu", **site)[0])

    def test_takes_the_hosts_where_there_is_no_such_pytorch(self):
        self.put_torch("cublas/lib/libcublasLt.so.12")
        said, why = self.measure("cuda", PYTHONPATH=str(self.folder))
        self.assertIn("looks in .", said)
        self.assertNotIn("PyTorch's", why)


if __name__ == "__main__":
    unittest.main()
