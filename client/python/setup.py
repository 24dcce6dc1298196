"""Builds the extension with CMake, for the interpreter that runs this, and bundles the server.

What it needs: this whole source tree, cmake, ninja or make, and what deploy/packages installs for `build`.
CMAKE_ARGS, if set, are further arguments of cmake. HOLDFAST_BUILD names a build tree to use and keep.
"""
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class BuildWithCMake(build_ext):
    """The extension and holdfastd are targets of the project's own build."""

    def build_extension(self, ext: Extension) -> None:
        kept = os.environ.get("HOLDFAST_BUILD")
        if kept:
            self._build(ext, Path(kept).resolve())
        else:
            with tempfile.TemporaryDirectory(prefix="holdfast-build-") as tree:
                self._build(ext, Path(tree))

    def _build(self, ext: Extension, tree: Path) -> None:
        generator = ["-G", "Ninja"] if shutil.which("ninja") else []
        subprocess.check_call([
            "cmake", "-S", str(ROOT), "-B", str(tree), *generator, "-DCMAKE_BUILD_TYPE=Release",
            f"-DHOLDFAST_PYTHON_EXECUTABLE={sys.executable}", "-DHOLDFAST_PYTHON=ON",
            "-DHOLDFAST_SERVER=ON", "-DHOLDFAST_CLI=OFF", "-DHOLDFAST_TESTS=OFF",
            *shlex.split(os.environ.get("CMAKE_ARGS", ""))])
        subprocess.check_call(["cmake", "--build", str(tree), "--parallel",
                               str(self.parallel or os.cpu_count() or 1),
                               "--target", "hf_python", "holdfastd"])
        module = Path(self.get_ext_fullpath(ext.name)).resolve()
        (module.parent / "bin").mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree / "client" / "python" / "holdfast" / module.name, module)
        shutil.copy2(tree / "server" / "holdfastd", module.parent / "bin" / "holdfastd")


setup(ext_modules=[Extension("holdfast._core", [])], cmdclass={"build_ext": BuildWithCMake})
