"""``python -m scanseg.cli`` where the ``scanseg`` script is not on the path."""

from scanseg.cli import main

if __name__ == "__main__":
    main()
