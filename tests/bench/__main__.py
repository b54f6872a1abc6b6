"""``python -m tests.bench [drain] [lists] [actions] [export] [imports] [registration] [memory]``: prints JSON lines; ends with 1 if a bar is missed."""

from __future__ import annotations

import sys

from tests.bench.report import Report


def main(names: list[str]) -> int:
    """Run the benches asked for, all without names."""
    report = Report()
    wanted = set(names or ("drain", "lists", "actions", "export", "imports", "registration", "memory"))
    if wanted & {"drain", "lists", "actions", "export", "imports"}:
        from tests.bench.world import open_world

        with open_world() as world:
            if "drain" in wanted:
                from tests.bench import drain

                drain.run(world, report)
            if "export" in wanted:  # before the others, which fill this very world: it works on copies
                from tests.bench import export

                export.run(world, report)
            if "imports" in wanted:
                from tests.bench import imports

                imports.run(world, report)
            if "actions" in wanted:  # before the lists, which fill this very world
                from tests.bench import actions

                actions.run(world, report)
            if "lists" in wanted:
                from tests.bench import lists

                lists.run(world, report)
    if "registration" in wanted:
        from tests.bench import registration

        registration.run(report)
    if "memory" in wanted:
        from tests.bench import memory

        memory.run(report)
    for name in report.missed:
        report.note(f"missed its bar: {name}")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
