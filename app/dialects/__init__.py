"""The schedulers of the libraries that people use, by their own names and parameters.

A library is a module or a folder here, named like the prefix of its kinds. A scheduler is a class in it, which enters
the registry by being defined and lowers to simpler kinds. Importing this package defines them all: nothing lists them.
"""

from importlib import import_module
from pkgutil import walk_packages

for module in walk_packages(__path__, f"{__name__}."):
    import_module(module.name)
