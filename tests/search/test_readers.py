"""Each format to text, headings and positions."""

import io
import unicodedata
from collections.abc import Sequence
from pathlib import PurePath

import docx
import pypdf
import pytest

from ondol.search.document import Document, Unit, UnreadableError
from ondol.search.readers import kind_of, read


def blocks(document: Document) -> list[tuple[str, int | None, int | None]]:
    """Text, level and first line or page of each block."""
    return [
        (document.text[one.start : one.end], one.level, document.number_at(one.start))
        for one in document.blocks
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.TXT", "plain"),
        ("a.md", "markdown"),
        ("a.htm", "html"),
        ("a.pdf", "pdf"),
        ("a.docx", "docx"),
        ("a.py", "source"),
        ("README", "plain"),
        ("Makefile", "source"),
        ("a.png", None),
        ("a", None),
    ],
)
def test_kinds(name: str, kind: str | None) -> None:
    assert kind_of(PurePath(name)) == kind


def test_plain_text_has_paragraphs() -> None:
    document = read("plain", "하나\n둘\n \n\n셋".encode())
    assert blocks(document) == [("하나\n둘", None, 1), ("셋", None, 5)]
    assert document.unit is Unit.LINE


def test_markdown_has_headings_and_whole_blocks() -> None:
    text = (
        "# 제목 #\n\n글.\n\n아래 줄\n---\n\n- 하나\n\n- 둘\n\n"
        "```\n# 아님\n```\n\n| a |\n| - |\n| b |\n"
    )
    document = read("markdown", text.encode())
    assert [(part.strip(), level, line) for part, level, line in blocks(document)] == [
        ("# 제목 #", 1, 1),
        ("글.", None, 3),
        ("아래 줄\n---", 2, 5),
        ("- 하나\n\n- 둘", None, 8),
        ("```\n# 아님\n```", None, 12),
        ("| a |\n| - |\n| b |", None, 16),
    ]
    assert [one.title for one in document.blocks if one.level] == ["제목", "아래 줄"]


def test_front_matter_is_no_heading() -> None:
    document = read("markdown", b"---\ntitle: x\n---\n\n# Real\n")
    assert [(part.strip(), level) for part, level, _ in blocks(document)] == [
        ("---\ntitle: x\n---", None),
        ("# Real", 1),
    ]


def test_html_has_visible_text_headings_and_lines() -> None:
    page = """<!doctype html>
<html><head><title>여행
 안내</title><style>p { color: red }</style></head>
<body><h1>제주 <em>섬</em></h1>
<p>한 줄이<br>둘이다. &amp; <b>굵</b>은 글.</p>
<script>var hidden = 1;</script>
<ul><li>하나</li><li>둘</li></ul>
<table><tr><td>a</td><td>b</td></tr></table>꼬리<!-- note -->
</body></html>"""
    document = read("html", page.encode())
    assert blocks(document) == [
        ("여행\n 안내", 0, 2),
        ("제주 섬", 1, 4),
        ("한 줄이\n둘이다. & 굵은 글.", None, 5),
        ("하나", None, 7),
        ("둘", None, 7),
        ("a b", None, 8),
        ("꼬리", None, 8),
    ]
    assert document.blocks[0].title == "여행 안내"


@pytest.mark.parametrize("declared", ["euc-kr", "ks_c_5601-1987", "cp949"])
def test_an_old_korean_page(declared: str) -> None:
    page = (
        f'<meta http-equiv="Content-Type" content="text/html; charset={declared}"><p>똠방각하</p>'
    )
    assert read("html", page.encode("cp949")).text == "똠방각하"


def test_html_that_nests_deeper_than_pythons_stack() -> None:
    assert read("html", b"<div>" * 1500 + b"deep").text == "deep"


def pdf(*pages: str) -> bytes:
    """A PDF with one line of text a page. Its font has no shapes, but says what its codes mean:
    each is the character's own number.
    """
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /U def "
        "1 begincodespacerange <0000> <FFFF> endcodespacerange "
        "1 beginbfrange <0000> <FFFF> <0000> endbfrange endcmap end end"
    )
    first_page = 5
    kids = " ".join(f"{first_page + 2 * n} 0 R" for n in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type0 /BaseFont /F /Encoding /Identity-H /ToUnicode 4 0 R "
        "/DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /F /CIDSystemInfo "
        "<< /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>] >>",
        f"<< /Length {len(cmap)} >>\nstream\n{cmap}\nendstream",
    ]
    for n, text in enumerate(pages):
        show = f"BT /F 12 Tf 50 700 Td <{text.encode('utf-16-be').hex()}> Tj ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] "
            f"/Contents {first_page + 2 * n + 1} 0 R /Resources << /Font << /F 3 0 R >> >> >>",
            f"<< /Length {len(show)} >>\nstream\n{show}\nendstream",
        ]
    content = "%PDF-1.7\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    return (
        f"{content}xref\n0 {size}\n0000000000 65535 f \n{table}"
        f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF\n"
    ).encode("ascii")


def encrypted(content: bytes, password: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pdf_has_pages() -> None:
    document = read("pdf", pdf("제주도는 섬이다.", unicodedata.normalize("NFD", "둘째 쪽")))
    assert blocks(document) == [("제주도는 섬이다.", None, 1), ("둘째 쪽", None, 2)]
    assert document.unit is Unit.PAGE


def test_pdf_that_asks_for_no_password_is_read_though_encrypted() -> None:
    assert read("pdf", encrypted(pdf("열린 글"), "")).text == "열린 글"


def docx_file(items: Sequence[tuple[str, str]]) -> bytes:
    document = docx.Document()
    for style, text in items:
        document.add_paragraph(text, style=style)
    table = document.add_table(rows=2, cols=2)
    for row, cells in zip(table.rows, (("이름", "값"), ("가", "1")), strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def test_docx_has_headings_and_tables() -> None:
    content = docx_file(
        [("Title", "안내"), ("Heading 1", "여행"), ("Normal", "섬이다."), ("Heading 2", "제주")]
    )
    document = read("docx", content)
    assert blocks(document) == [
        ("안내", 0, None),
        ("여행", 1, None),
        ("섬이다.", None, None),
        ("제주", 2, None),
        ("이름 | 값\n가 | 1", None, None),
    ]
    assert document.unit is Unit.NONE


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("plain", b" \n\t\n", "no text"),
        ("markdown", b"", "no text"),
        ("html", b"", "no text"),
        ("html", b"<script>1</script>", "no text"),
        ("pdf", pdf(""), "no text"),
        ("pdf", encrypted(pdf("비밀"), "secret"), "encrypted PDF"),
        ("pdf", b"no pdf at all", "damaged PDF"),
        ("pdf", pdf("글")[:300], "damaged PDF"),
        ("docx", b"no zip", "damaged DOCX"),
        ("docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "encrypted DOCX"),
        ("docx", docx_file([("Normal", "x")])[:2000], "damaged DOCX"),
        ("source", b"\x7fELF\0\0", "binary"),
    ],
)
def test_what_gives_no_text(kind: str, content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read(kind, content)
