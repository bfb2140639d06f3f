"""`python -m gateway` and the console script `lock-gateway`."""

from __future__ import annotations


def main() -> None:
    from gateway.cli.main import app  # here, so that importing this module costs nothing

    app()


if __name__ == "__main__":
    main()
