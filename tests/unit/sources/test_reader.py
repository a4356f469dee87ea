from __future__ import annotations

import subprocess
import sys

MODULES = ("discover", "fingerprint", "headers", "reader", "recognise", "source")


def test_nothing_heavy_is_imported_before_a_file_is_opened() -> None:
    """Help and the queries must not wait for libraries that only reading needs."""
    code = "; ".join(
        [
            "import sys",
            *(f"import energy_etl.sources.{module}" for module in MODULES),
            "print(sorted({'polars', 'pyarrow', 'dataframely', 'numpy'} & set(sys.modules)))",
        ]
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
