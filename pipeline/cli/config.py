"""`dashmask config`: the effective configuration."""

from __future__ import annotations

from pipeline.cli.options import ConfigFile, Set


def config(config: ConfigFile = None, set: Set = None) -> None:
    """Print the effective configuration, each key with what it does, as YAML that --config takes back.

    Example: [bold]dashmask config --config privacy --set render.alpha=0.3 > mine.yaml[/bold]
    """
    from pipeline.cli.config_comments import commented
    from pipeline.config_file import load

    print(commented(load(config, set or ())), end="")
