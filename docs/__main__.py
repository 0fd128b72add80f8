"""`make docs`: writes the pages and pictures of this folder that are made, and removes those that no longer are."""

from collections.abc import Iterator
from pathlib import Path

from docs import pages, switch, warnings


def files() -> Iterator[tuple[Path, str]]:
    """Every file that is written here, with its content."""
    yield from pages.files()
    yield switch.PICTURE, switch.draw()
    yield warnings.PAGE, warnings.page()


def main() -> None:
    made = dict(files())
    for path in {path for path in pages.FOLDER.rglob("*") if path.is_file()} - set(made):
        path.unlink()
    for path, content in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
