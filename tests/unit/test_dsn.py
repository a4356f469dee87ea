from __future__ import annotations

import traceback
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from energy_etl import dsn
from energy_etl.errors import UsageError

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1).map(
    lambda text: f"q{text}Zq"
)
NAMES = st.text("abcdefgh", min_size=1, max_size=8)


def keyword_quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A valid address in one of the forms people write, and the spellings of its password."""
    secret, user, host, database = draw(SECRETS), draw(NAMES), draw(NAMES), draw(NAMES)
    scheme = draw(st.sampled_from(["postgresql", "postgres", "postgresql+psycopg", "PostgreSQL"]))
    encoded = quote(secret, safe="")
    forms = [
        f"{scheme}://{user}:{encoded}@{host}:5432/{database}",
        f"{scheme}://{user}:{encoded}@[::1]/{database}?sslmode=require&application_name=a%40b",
        f"{scheme}://{user}:{encoded}@{host},{host}:5433/{database}",
        f"{scheme}://{user}@{host}/{database}?password={encoded}&sslmode=require",
        f"{scheme}://{host}/{database}?user={user}&password={encoded}",
        f"host={host} user={user} password={keyword_quoted(secret)} dbname={database}",
        f"password = {keyword_quoted(secret)} host = {host} user = {user}",
    ]
    return draw(st.sampled_from(forms)), [secret, encoded]


@given(addresses())
def test_no_surface_shows_the_password(address: tuple[str, list[str]]) -> None:
    text, secrets = address
    target = dsn.resolve(text, {})
    assert secrets[0] == psycopg.conninfo.conninfo_to_dict(target.conninfo)["password"]
    shown = [dsn.describe(target.conninfo), dsn.redact(text), repr(target), str(target)]
    shown += [dsn.redact(f'could not connect to "{text}": refused'), dsn.tls_warning(target.conninfo) or ""]
    for secret in secrets:
        assert not [line for line in shown if secret in line]


@given(
    st.sampled_from(
        [
            "postgresql://u:{}@h/db",
            "postgresql://u:{}@h:port/db",
            "postgresql://u:{}@h/db?nonsense=1",
            "postgres://u:{}",
            "postgresql://:{}@",
            "mysql://u:{}@h/db",
            "host=h password={} dbname",
            "host=h password='{}",
            "password={} host=h user=u",
            "{}",
        ]
    ),
    SECRETS,
)
def test_an_address_as_mistyped_is_never_repeated(form: str, secret: str) -> None:
    text = form.format(secret)
    assume(text.strip())
    refusal: UsageError | None = None
    shown = ""
    try:
        shown = dsn.describe(dsn.resolve(text, {}).conninfo)
    except UsageError as error:
        refusal = error
        shown = "".join(traceback.format_exception(error)) + str(error.hint)
    assert secret not in shown
    assert refusal is None or refusal.__context__ is None
    if form != "{}":
        assert secret not in dsn.redact(text)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:pa@ss@host/db",
        "postgresql://u:pa/ss@host/db",
        "postgresql://u:pass/db",
        "host=h port=pass",
        "postgresql://u:%zz@h/db",
        "jdbc:postgresql://h/db",
        "sqlite:///x.db",
        "analytics",
    ],
)
def test_addresses_that_can_be_misread_are_refused_with_the_right_form(address: str) -> None:
    with pytest.raises(UsageError, match="DATABASE_URL") as caught:
        dsn.resolve(None, {"DATABASE_URL": address})
    assert "postgresql://user:password@host" in str(caught.value.hint)


def test_the_order_of_the_sources_is_option_then_variable_then_libpq_then_embedded() -> None:
    env = {"DATABASE_URL": "postgresql://v@variable/db", "PGHOST": "libpq"}
    assert "option" in dsn.resolve("postgresql://o@option/db", env).conninfo
    assert "variable" in dsn.resolve(None, env).conninfo
    assert dsn.resolve(None, {"PGHOST": "libpq"}) == dsn.Target("given", "PGHOST")
    assert dsn.resolve(None, {"PGSERVICE": "prod", "DATABASE_URL": " "}).kind == "given"
    assert dsn.resolve(None, {"PGHOST": "", "PATH": "/bin"}).kind == "embedded"


def test_describe_fills_in_what_libpq_would(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in dsn.LIBPQ_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGPASSWORD", "hidden-word")
    assert dsn.describe("postgresql://ana:x@db.example/energy") == "ana@db.example:6543/energy"
    assert dsn.describe("host=/run/pg user=ana") == "ana@/run/pg:6543/ana"
    assert "hidden-word" not in dsn.describe("")


@pytest.mark.parametrize(
    ("address", "warns"),
    [
        ("postgresql://u@db.example/x", True),
        ("postgresql://u@db.example/x?sslmode=verify-ca", True),
        ("postgresql://u@db.example/x?sslmode=verify-full", False),
        ("postgresql://u@127.0.0.1/x", False),
        ("postgresql://u@localhost/x", False),
        ("host=/run/postgresql", False),
        ("postgresql://u@localhost,db.example/x", True),
    ],
)
def test_only_remote_unverified_servers_are_warned_about(
    address: str, *, warns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*dsn.LIBPQ_VARIABLES, "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)
    warning = dsn.tls_warning(address)
    assert (warning is not None) is warns
