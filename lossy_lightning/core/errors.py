"""Errors that a user can mend by their message alone.

The command line prints the message of a `UserError` as one sentence. Every other error keeps its traceback, for it may
be a bug.
"""


class UserError(Exception):
    """A mistake whose message says all: what came, what is allowed, and what to do."""


class InputError(UserError, ValueError):
    """An argument, a file or data that do not fit."""


class MissingPackageError(UserError, ImportError):
    """A package that is needed here, and not installed."""


class MissingClassesError(UserError, AttributeError):
    """A number of classes that a datamodule does not state."""


class MissingFileError(UserError, FileNotFoundError):
    """A file or folder that is not where it is looked for."""
