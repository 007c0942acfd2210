"""``python -m edge2torch`` is the command line."""

from edge2torch.cli import main

if __name__ == "__main__":
    main()
