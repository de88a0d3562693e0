"""What PyInstaller does not find in ondol by itself: the bundle inside the package, and the modules
behind the names that `ondol` imports at first use.
"""

from PyInstaller.utils.hooks import collect_data_files

from ondol import _LAZY

datas = collect_data_files("ondol", subdir="default_bundle")
hiddenimports = sorted(set(_LAZY.values()))
