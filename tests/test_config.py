"""Settings: sources, validation, secrets."""

import re
from pathlib import Path

import pytest

from app.config import EXAMPLE_KEY, PROJECT_FOLDER, ConfigurationError, Settings, get_settings, setting_warnings

pytestmark = pytest.mark.usefixtures("settings_environment")


def write_env(text: str) -> None:
    Path(".env").write_text(text)


def test_defaults_need_no_file_and_no_environment() -> None:
    settings = get_settings()
    assert settings.database_url == "sqlite:///./pixelwise.db"
    assert settings.model_path == PROJECT_FOLDER / "models" / "digits.onnx"
    assert (settings.debug, settings.rate_limit, settings.public_results) == (False, "30/minute", True)
    assert (settings.preview_limit, settings.read_limit, settings.cors_origins) == ("900/minute", "600/minute", ())


def test_environment_overrides_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write_env("RATE_LIMIT=1/minute\nDEBUG=true\n")
    monkeypatch.setenv("RATE_LIMIT", "2/minute")
    assert get_settings().rate_limit == "2/minute"
    assert get_settings().debug is True


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "DEBUG", "RATE_LIMIT", "PUBLIC_RESULTS", "MODEL_PATH", "PREVIEW_LIMIT", "CORS_ORIGINS"]
)
def test_empty_value_means_the_default(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    default = getattr(get_settings(), name.lower())
    get_settings.cache_clear()
    monkeypatch.setenv(name, "")
    write_env(f"{name}=\n")
    assert getattr(get_settings(), name.lower()) == default


def test_unknown_names_in_the_file_are_ignored() -> None:
    write_env("APP_NAME=PixelWise\nLOG_LEVEL=info\n")
    assert get_settings().debug is False


def test_file_saved_by_an_editor_on_windows_is_read() -> None:
    Path(".env").write_bytes(b"\xef\xbb\xbfRATE_LIMIT=7/minute\r\nDEBUG=true\r\n")
    assert (get_settings().rate_limit, get_settings().debug) == ("7/minute", True)


def test_binary_file_is_refused_in_one_line() -> None:
    Path(".env").write_bytes(b"DEBUG=\xff\xfe\n")
    with pytest.raises(ConfigurationError, match=r"cannot read .*\.env") as refused:
        get_settings()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"])
def test_every_postgresql_scheme_uses_the_installed_driver(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://user:password@localhost/pixelwise")
    assert get_settings().database_url == "postgresql+psycopg://user:password@localhost/pixelwise"


@pytest.mark.parametrize("where", ["environment", "file"])
def test_reference_in_the_url_is_expanded_from_the_file(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    url = "DATABASE_URL=postgresql://pixelwise:${DB_PASSWORD}@localhost/pixelwise"
    if where == "environment":
        monkeypatch.setenv(*url.split("=", 1))
        write_env("DB_PASSWORD=kept-quiet\n")
    else:
        write_env(f"DB_PASSWORD=kept-quiet\n{url}\n")
    assert get_settings().database_url == "postgresql+psycopg://pixelwise:kept-quiet@localhost/pixelwise"


@pytest.mark.parametrize("where", ["environment", "file"])
def test_reference_prefers_the_environment(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    url = "DATABASE_URL=postgresql://pixelwise:${DB_PASSWORD}@localhost/pixelwise"
    monkeypatch.setenv("DB_PASSWORD", "from-environment")
    if where == "environment":
        monkeypatch.setenv(*url.split("=", 1))
    write_env(f"DB_PASSWORD=from-file\n{url}\n")
    assert ":from-environment@" in get_settings().database_url


@pytest.mark.parametrize("where", ["environment", "file"])
def test_reference_to_an_unknown_name_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    url = "postgresql://pixelwise:${DB_PASSWORD}@localhost/pixelwise"
    if where == "environment":
        monkeypatch.setenv("DATABASE_URL", url)
    else:
        write_env(f"DATABASE_URL={url}\n")
    with pytest.raises(ConfigurationError, match=r"^\$\{DB_PASSWORD\} is used but DB_PASSWORD is set neither"):
        get_settings()


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("DATABASE_URL", "mysql://user:kept-quiet@localhost/pixelwise", "must begin with sqlite:///"),
        ("DATABASE_URL", "postgresql+asyncpg://user:kept-quiet@localhost/x", "must begin with sqlite:///"),
        ("DATABASE_URL", "kept-quiet", "must begin with sqlite:///"),
        ("DATABASE_URL", "postgresql://user:kept@quiet@localhost/pixelwise", "%40"),
        ("RATE_LIMIT", "kept-quiet", "30/minute"),
        ("RATE_LIMIT_STORAGE_URI", "memcached://kept-quiet@localhost:11211", "must look like redis://"),
        ("RATE_LIMIT_STORAGE_URI", "redis://:kept/quiet@localhost:6379/0", "%2F"),
        ("RATE_LIMIT_STORAGE_URI", "redis://:kept-quiet@localhost:port/0", "must look like redis://"),
        ("RATE_LIMIT_STORAGE_URI", "redis://:kept-quiet@localhost:65536/0", "must look like redis://"),
        ("RATE_LIMIT_STORAGE_URI", "redis://:kept-quiet@localhost:6379/0?socket_timeout=9", "must look like redis://"),
        ("DEBUG", "kept-quiet", "must be true or false"),
        ("PUBLIC_RESULTS", "kept-quiet", "must be true or false"),
        ("DRIFT_PSI", "0,1 kept-quiet", "must be a number, such as 0.1"),
        ("DRIFT_P_VALUE", "5", "must be less than 1"),
    ],
)
def test_invalid_value_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, hint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        get_settings()
    message = str(refused.value)
    assert message.startswith(f"{name}: ")
    assert hint in message
    assert "quiet" not in message
    assert "\n" not in message


def test_rate_limit_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE_LIMIT", "OFF")
    assert get_settings().rate_limit == "off"


def test_relative_model_path_starts_at_the_project_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_PATH", "models/other.onnx")
    assert get_settings().model_path == PROJECT_FOLDER / "models" / "other.onnx"


@pytest.mark.parametrize("name", ["models/model.pkl", "/opt/pixelwise/model.joblib"])
def test_pickle_is_replaced_by_the_shipped_model(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MODEL_PATH", name)
    assert get_settings().model_path == PROJECT_FOLDER / "models" / "digits.onnx"


def test_absolute_model_path_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_PATH", "/srv/models/other.onnx")
    assert get_settings().model_path == Path("/srv/models/other.onnx")


@pytest.mark.parametrize(
    ("name", "written", "value"),
    [
        ("SECRET_API_KEY", "a-key-of-the-operator\n", "a-key-of-the-operator"),
        ("SECRET_API_KEY", " a-key-of-the-operator\r\n", "a-key-of-the-operator"),
        ("DATABASE_URL", "sqlite:////srv/pixelwise.db\n", "sqlite:////srv/pixelwise.db"),
        ("PUBLIC_RESULTS", "false\r\n", False),
        ("RATE_LIMIT", "7/minute ", "7/minute"),
        ("DRIFT_PSI", "0.2\n", 0.2),
    ],
)
def test_white_space_around_a_value_in_the_environment_is_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch, name: str, written: str, value: object
) -> None:
    monkeypatch.setenv(name, written)
    found = getattr(get_settings(), name.lower())
    assert (found.get_secret_value() if name == "SECRET_API_KEY" else found) == value


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("name", ["SECRET_API_KEY", "DATABASE_URL", "PUBLIC_RESULTS", "MODEL_PATH", "UVICORN_HOST"])
def test_value_with_quotes_in_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, quote: str
) -> None:
    monkeypatch.setenv(name, f"{quote}kept-quiet{quote}")
    with pytest.raises(ConfigurationError, match=f"^{name} stands in quotes") as refused:
        get_settings()
    assert "kept-quiet" not in str(refused.value)


def test_key_of_two_lines_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_API_KEY", "kept-quiet\nsecond")
    with pytest.raises(ConfigurationError, match=r"^SECRET_API_KEY: has a line break") as refused:
        get_settings()
    assert "quiet" not in str(refused.value)


@pytest.mark.parametrize("where", ["environment", "file"])
@pytest.mark.parametrize("name", ["PUBLIC_RESULT", "PUBLC_RESULTS", "PUBLICRESULTS", "PIXELWISE_PUBLIC_RESULTS"])
def test_misspelt_privacy_setting_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, where: str) -> None:
    if where == "environment":
        monkeypatch.setenv(name, "false")
    else:
        write_env(f"{name}=false\n")
    with pytest.raises(ConfigurationError, match=f"^{name} is not a setting; did you mean PUBLIC_RESULTS"):
        get_settings()


def test_other_misspelt_setting_is_named_in_a_warning() -> None:
    write_env("PIXELWISE_BACKUP_KEPT=30\nAPP_NAME=PixelWise\nTEST_DATABASE_URL=sqlite:///x.db\n")
    assert setting_warnings() == [
        "PIXELWISE_BACKUP_KEPT is not a setting; did you mean PIXELWISE_BACKUPS_KEPT?",
    ]


def test_setting_in_lower_case_is_refused_in_the_file() -> None:
    write_env("public_results=false\n")
    with pytest.raises(ConfigurationError, match=r"public_results in \.env: write PUBLIC_RESULTS"):
        get_settings()


def test_short_key_is_accepted_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_API_KEY", "changeme")
    (warning,) = setting_warnings()
    assert "SECRET_API_KEY is short" in warning
    assert "changeme" not in warning


@pytest.mark.parametrize("key", [None, "", "   ", EXAMPLE_KEY])
def test_missing_or_example_key_is_refused_with_a_command(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    if key is not None:
        monkeypatch.setenv("SECRET_API_KEY", key)
    with pytest.raises(ConfigurationError, match="openssl rand -hex 32") as refused:
        get_settings().require_secret_api_key()
    assert "\n" not in str(refused.value)


def test_real_key_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_API_KEY", "a" * 64)
    assert get_settings().require_secret_api_key().get_secret_value() == "a" * 64


def test_printed_settings_contain_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_API_KEY", "kept-quiet")
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:kept-quiet@localhost/pixelwise")
    assert "kept-quiet" not in f"{get_settings()!r} {get_settings()}"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        get_settings().debug = True  # type: ignore[misc]


def example_settings() -> list[re.Match[str]]:
    text = (PROJECT_FOLDER / ".env.example").read_text()
    return list(re.finditer(r"(?P<comment>(?:^#.*\n)*)^(?P<name>[A-Z_]+)=(?P<value>.*)$", text, re.MULTILINE))


def test_example_file_lists_exactly_the_settings() -> None:
    assert [match["name"].lower() for match in example_settings()] == list(Settings.model_fields)


def test_example_file_explains_every_setting() -> None:
    assert [match["name"] for match in example_settings() if not match["comment"]] == []


def test_example_file_has_the_defaults_and_the_example_key() -> None:
    defaults = get_settings()
    get_settings.cache_clear()
    write_env((PROJECT_FOLDER / ".env.example").read_text())
    from_example = get_settings()
    assert from_example.secret_api_key is not None
    assert from_example.secret_api_key.get_secret_value() == EXAMPLE_KEY
    assert from_example.model_dump(exclude={"secret_api_key"}) == defaults.model_dump(exclude={"secret_api_key"})


@pytest.mark.parametrize(
    ("written", "origins"),
    [
        ("https://digits.example", ("https://digits.example",)),
        ("https://a.example, http://localhost:5173", ("https://a.example", "http://localhost:5173")),
        ("http://[::1]:8080 *", ("http://[::1]:8080", "*")),
    ],
)
def test_origins_are_separated_by_commas_or_spaces(
    monkeypatch: pytest.MonkeyPatch, written: str, origins: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", written)
    assert get_settings().cors_origins == origins


# Browsers send no path, no trailing slash and no capitals.
@pytest.mark.parametrize("written", ["digits.example", "https://a.example/", "https://A.example", "ftp://a.example"])
def test_invalid_origin_is_refused(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", written)
    with pytest.raises(ConfigurationError, match="CORS_ORIGINS: must be origins"):
        get_settings()
