"""`dashmask doctor`: what this machine can run, and why not."""

from __future__ import annotations


def doctor() -> None:
    """Show what this machine can run, and for everything else why not.

    Example: [bold]dashmask doctor[/bold]
    """
    from rich.console import Console
    from rich.markup import escape

    from engines.probe import facts
    from pipeline.cli.table import plain_table

    signs = {"yes": "[green]yes[/green]", "no": "[dim]no[/dim]", "problem": "[red]problem[/red]"}
    table = plain_table("", "", "")
    hints = []
    for fact in facts():
        table.add_row(escape(fact.topic), signs[fact.state], escape(fact.detail))
        if fact.hint:
            hints.append(f"{fact.topic}: {fact.hint}")
    console = Console()
    console.print(table)
    for hint in hints:
        console.print(f"to mend: {escape(hint)}", soft_wrap=True)
