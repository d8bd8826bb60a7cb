"""``python -m lossy_lightning``, the same as the command ``lossy-lightning``."""

from lossy_lightning.cli import main

if __name__ == "__main__":
    main()
