"""Tables line up, whatever the width of their letters."""

from ondol.cli.table import counted, format_table


def test_numbers_stand_flush_right_and_hangul_takes_two_columns() -> None:
    header = ("이름", "bytes", "share", "note")
    rows = [("가", "1,234", "9.5%", "ok"), ("long", "7", "10.0%", "")]
    assert format_table(header, rows) == (
        "이름  bytes  share  note\n가    1,234   9.5%  ok\nlong      7  10.0%\n"
    )


def test_a_dash_in_a_column_of_numbers_stands_flush_right_too() -> None:
    assert format_table(("a", "b"), [("x", "1.5e-06"), ("y", "-")]) == (
        "a        b\nx  1.5e-06\ny        -\n"
    )


def test_one_is_not_many() -> None:
    assert [counted(n, "text") for n in (0, 1, 2000)] == ["0 texts", "1 text", "2,000 texts"]
