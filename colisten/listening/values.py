"""SQL that reads single values: dates, lists and words that stand for nothing; `{c}` is the value.

Nothing here fails on a value: what cannot be read is NULL.
"""

from __future__ import annotations

MISSING_WORDS = (
    "NULL", "null", "Null", "(null)", "nil", r"\N", "NaN", "nan", "NAN", "None", "NONE", "NaT", "<NA>", "N/A", "n/a",
    "#N/A",
)  # fmt: skip
"""What databases and data frames write for a value that is not there."""
NO_GENRE = ("(no genres listed)",)
_WORDS = ", ".join(f"'{word}'" for word in MISSING_WORDS)
_NO_WORDS = ", ".join(f"'{word}'" for word in ("", *MISSING_WORDS, *NO_GENRE))

PRESENT = f"CASE WHEN {{c}} IN ({_WORDS}) THEN NULL ELSE {{c}} END"
"""Text that is not one of `MISSING_WORDS`."""
BLANKS = (
    " \t\n\v\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u2028\u2029"
    "\u202f\u205f\u2060\u3000\ufeff"
)
"""What is cut off around an id, those of no width too."""
TRIMMED = f"trim({{c}}, '{BLANKS}')"
"""Text without the blanks around it."""
COMPOSED = "nfc_normalize({c})"
"""Text in Unicode's normal form C: decomposed letters (macOS) as keyboards type them."""
BYTES = "TRY(decode({c}))"

_VALID_DAY = "CASE WHEN {day} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN {day} END"


def _day_of_number(number: str) -> str:
    """A year, a month (200805), a day (20080501, or 45306 in spreadsheets), or a time since 1970 in s, ms, µs or ns."""
    whole = f"TRY_CAST({number} AS BIGINT)"
    epochs = "".join(
        f"WHEN {number} < {10 * unit}e9 THEN TRY(to_timestamp({number} / {unit})::DATE) "
        for unit in (1, 10**3, 10**6, 10**9)
    )
    return f"""CASE
        WHEN {number} IS NULL OR {number} <> floor({number}) OR {number} < 1 THEN NULL
        WHEN {number} <= 2200 THEN make_date({whole}, 1, 1)
        WHEN {number} BETWEEN 18264 AND 73050 THEN DATE '1899-12-30' + TRY_CAST({number} AS INTEGER)
        WHEN {number} BETWEEN 100001 AND 999912 THEN try_strptime({whole}::VARCHAR || '01', '%Y%m%d')::DATE
        WHEN {number} BETWEEN 10000101 AND 99991231 THEN try_strptime({whole}::VARCHAR, '%Y%m%d')::DATE
        WHEN {number} < 1e8 THEN NULL
        {epochs}END"""


_YEAR_ONLY = r"regexp_extract({c}, '^\s*(\d{{4}})-00(-00)?\s*$', 1)"
_MONTH_ONLY = r"regexp_extract({c}, '^\s*(\d{{4}}-\d{{2}})(-00)?\s*$', 1)"
_DAY_OF_WORDS = (
    f"coalesce(TRY_CAST({{c}} AS DATE), TRY_CAST({_MONTH_ONLY} || '-01' AS DATE), "
    f"TRY_CAST({_YEAR_ONLY} || '-01-01' AS DATE))"
)

DAY_OF_TIME = _VALID_DAY.format(day="TRY_CAST({c} AS DATE)")
DAY_OF_NUMBER = _day_of_number("TRY_CAST({c} AS DOUBLE)")
DAY_OF_TEXT = (
    f"CASE WHEN TRY_CAST({{c}} AS DOUBLE) IS NULL THEN {_VALID_DAY.format(day=_DAY_OF_WORDS)} ELSE {DAY_OF_NUMBER} END"
)

_NOTHING = "[]::VARCHAR[]"
LIST = f"nullif(list_filter({{c}}::VARCHAR[], lambda x: x IS NOT NULL AND x NOT IN ({_NO_WORDS})), {_NOTHING})"
_NAMES = r"""nullif(regexp_extract_all({c}, '[''"]name[''"]\s*:\s*(''[^'']*''|"[^"]*")', 1), []::VARCHAR[])"""
_JSON_NAMES = """list_transform(TRY(from_json({c}, '[{{"name":"VARCHAR"}}]')), lambda x: x.name)"""
_QUOTED = r"""nullif(list_transform(regexp_extract_all({c}, '''(?:[^''\\]|\\.)*''|"(?:[^"\\]|\\.)*"'),
    lambda x: regexp_replace(x, '\\(.)', '\1', 'g')), []::VARCHAR[])"""
_IN_BRACKETS = r"regexp_extract({c}, '\[.*\]')"
_SEQUENCE = r"""regexp_matches({c}, '^(frozenset)?\([{{ ]*[''"].*[''"],?[}} ]*\)$')"""
_BARE = "string_split(trim({c}, '[]{{}}() '), ',')"
_SPLIT = rf"""CASE
    WHEN {{c}} LIKE '[%{{{{%' THEN coalesce({_JSON_NAMES}, {_NAMES})
    WHEN {{c}} LIKE '[%]' THEN coalesce(TRY(from_json({{c}}, '["VARCHAR"]')), {_QUOTED}, {_BARE})
    WHEN {{c}} LIKE 'array([%' THEN {_QUOTED.replace("{c}", _IN_BRACKETS)}
    WHEN {_SEQUENCE} THEN {_QUOTED}
    WHEN {{c}} LIKE '{{{{%}}}}' THEN regexp_extract_all({{c}}, '"[^"]*"|[^,{{{{}}}}"]+')
    ELSE string_split({{c}}, '|') END"""
SPLIT_LIST = f"""nullif(list_filter(
    list_transform({_SPLIT}, lambda x: regexp_replace(trim(x), '^''(.*)''$|^"(.*)"$', '\\1\\2')),
    lambda x: x IS NOT NULL AND x NOT IN ({_NO_WORDS})), {_NOTHING})"""
"""Values parted by `|`, or a list as JSON, Python, NumPy and PostgreSQL write it; objects give their `name`."""
