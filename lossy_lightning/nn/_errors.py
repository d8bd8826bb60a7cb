"""Errors of wiring; Lightning is imported as one is raised, for networks run without it, too."""


def misconfiguration(message: str) -> Exception:
    """Lightning's error for parts that do not fit together."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    return MisconfigurationException(message)
