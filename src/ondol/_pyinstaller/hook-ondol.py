"""What PyInstaller does not find in ondol by itself: the bundle inside the package, the modules
behind the names that `ondol` imports at first use, and the libraries that llama-cpp-python loads by
their path, where it is installed.
"""

from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_data_files, collect_dynamic_libs

from ondol import _LAZY

datas = collect_data_files("ondol", subdir="default_bundle")
binaries = collect_dynamic_libs("llama_cpp") if find_spec("llama_cpp") else []
hiddenimports = sorted(set(_LAZY.values()))
