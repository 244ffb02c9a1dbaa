"""``python -m omsn`` is the command ``omsn``."""

from omsn.cli import main

if __name__ == "__main__":
    main()
