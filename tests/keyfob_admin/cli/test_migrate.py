from __future__ import annotations

from typing import TYPE_CHECKING

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home


def test_a_dry_run_names_the_steps_and_makes_nothing(home: Home) -> None:
    """A present database takes none; where there is no database it would take all, and there is none afterwards."""
    none = typed("db", "migrate", "--dry-run")
    for file in home.folder.glob("keyfob.db*"):
        file.unlink()
    every = typed("db", "migrate", "--dry-run")

    assert (0, True) == (none.code, none.err.endswith("keyfob.db has the present schema\n"))
    assert (0, True) == (every.code, every.err.endswith("keyfob.db would take these steps: 0001_first.sql\n"))
    assert not (home.folder / "keyfob.db").exists()


def test_a_file_that_is_no_database_is_named(home: Home) -> None:
    """A dry run says what the migration would say."""
    (home.folder / "keyfob.db").write_text("no database at all" * 100)

    said = typed("db", "migrate", "--dry-run")

    assert 1 == said.code
    assert "cannot be read" in said.err
