"""``python -m energy_etl``."""

from energy_etl.cli.app import main

if __name__ == "__main__":
    main()
