"""`python -m ecef_cli` is `ecef`."""

from ecef_cli.cli.main import main

if __name__ == "__main__":
    main()
