"""``docs/cli.md`` says what the commands' own help says."""

from pathlib import Path

from opinionpool.cli.app import COMMANDS
from opinionpool.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_up_to_date():
    message = "write it again: python -m opinionpool.cli.reference > docs/cli.md"
    assert PAGE.read_text(encoding="utf-8") == reference(), message


def test_every_command_and_option_is_there():
    text = reference()
    for name in COMMANDS:
        assert f"## opinionpool {name}\n" in text
    for option in ("--weights", "--labels", "`--output`, `-o`", "--time-limit", "--keep"):
        assert option in text
