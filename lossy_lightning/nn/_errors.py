"""Errors of wiring, without Lightning until one is raised: networks are read and run where it is not imported."""


def misconfiguration(message: str) -> Exception:
    """Lightning's error for parts that do not fit together."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    return MisconfigurationException(message)
