"""Settings: environment variables override `.env` in the working directory."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from app.env_file import (
    DEPLOYMENT,
    EnvFileError,
    check_deployment,
    deployment_value,
    expanded,
    known_values,
    misspelt,
    read_env_file,
    setting_value,
    unquoted,
)

PACKAGE_FOLDER: Final = Path(__file__).resolve().parent
_IN_WHEEL: Final = PACKAGE_FOLDER / "shipped"
IS_INSTALLED: Final = _IN_WHEEL.is_dir()
PROJECT_FOLDER: Final = _IN_WHEEL if IS_INSTALLED else PACKAGE_FOLDER.parent
"""Has the migrations and the model."""
SHIPPED_MODEL: Final = PROJECT_FOLDER / "models" / "digits.onnx"
_RELATIVE_TO: Final = Path() if IS_INSTALLED else PROJECT_FOLDER
PICKLES: Final = (".pkl", ".pickle", ".joblib")
EXAMPLE_KEY: Final = "replace-me-with-openssl-rand-hex-32"
RATE_LIMIT_OFF: Final = "off"
# Redis refuses very long ones.
LONGEST_RATE_S: Final = 366 * 24 * 60 * 60
SHORT_KEY: Final = 16
DEFAULT_BACKUP_FOLDER: Final = "backups"

# From accepted schemes to SQLAlchemy's. Version 0.5 documented psycopg2.
_SCHEMES: Final = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "postgresql+psycopg2": "postgresql+psycopg",
}
# RFC 6454: scheme, host and port only.
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
# No query: its options would override those of `app.http.rate_limit_redis`.
_REDIS: Final = re.compile(r"rediss?://([^@/?#\s]*@)?([\w.-]+|\[[0-9a-fA-F:]+\])(:(?P<port>\d{1,5}))?(/\d{1,5})?/?")
_PLAIN_REASONS: Final = {"bool_parsing": "must be true or false", "float_parsing": "must be a number, such as 0.1"}


class ConfigurationError(Exception):
    """A setting is invalid. The text is one line without secrets."""


def _known_values() -> dict[str, str]:
    try:
        values = read_env_file(Path(".env"))
    except EnvFileError as error:
        raise ConfigurationError(str(error)) from error
    for name in values:
        if name not in _KNOWN and name.upper() in _KNOWN:
            raise ConfigurationError(f"{name} in .env: write {name.upper()}")
    return known_values(values)


def _sqlalchemy_url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ValueError("must begin with sqlite:/// or postgresql://")
    _refuse_comment(text)
    # Otherwise a failed look-up would print a part of the password as the host.
    if scheme.startswith("postgres") and rest.partition("?")[0].count("@") > 1:
        raise ValueError("holds more than one @; write an @ inside the user name or the password as %40")
    return f"{_SCHEMES[scheme]}://{rest}"


def _refuse_comment(text: str) -> None:
    # `docker run --env-file` keeps it. A path may contain " #2".
    if re.search(r"\s#\s|\s\s#", text):
        raise ValueError("has a comment in its value; a comment needs a line of its own")


def _checked_key(key: SecretStr) -> SecretStr:
    _refuse_comment(key.get_secret_value())
    if not key.get_secret_value().isprintable():
        raise ValueError("has a line break or another character that no header can hold")
    return key


def _checked_rate_limit(text: str, info: ValidationInfo) -> str:
    return text if text == Settings.model_fields[str(info.field_name)].default else checked_rate(text)


def checked_rate(text: str) -> str:
    """Return a rate limit without spaces, or `off`; raise ValueError."""
    text = text.strip()
    if text.lower() == RATE_LIMIT_OFF:
        return RATE_LIMIT_OFF
    # Slow to load.
    import limits

    try:
        items = limits.parse_many(text)
    except ValueError:
        raise ValueError(f"must look like 30/minute, or be {RATE_LIMIT_OFF}") from None
    if any(item.get_expiry() > LONGEST_RATE_S for item in items):
        raise ValueError("must not count for longer than 366 days")
    return text


def _checked_redis_uri(uri: SecretStr) -> SecretStr:
    match = _REDIS.fullmatch(uri.get_secret_value())
    if match is None or int(match["port"] or 0) > 65535:
        raise ValueError("must look like redis://:password@127.0.0.1:6379/0; in a password write %40 for @, %2F for /")
    return uri


def _checked_origins(text: str | tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(text, tuple):
        return text
    origins = tuple(text.replace(",", " ").split())
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                "must be origins as browsers send them, such as https://digits.example or http://localhost:5173, "
                "separated by commas; or * for all"
            )
    return origins


def _in_project_folder(path: Path) -> Path:
    # The .env of 0.5 names a pickle, which can run any code.
    return SHIPPED_MODEL if path.suffix in PICKLES else _RELATIVE_TO / path


def _no_pickle(path: Path) -> Path:
    if path.suffix in PICKLES:
        raise ValueError("is a pickle, which can run any code and is never opened; name an ONNX file")
    return _RELATIVE_TO / path


class Settings(BaseModel):
    """The settings; `.env.example` explains each."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    secret_api_key: Annotated[SecretStr, AfterValidator(_checked_key)] | None = None
    # It may contain a password.
    database_url: Annotated[str, AfterValidator(_sqlalchemy_url)] = Field("sqlite:///./pixelwise.db", repr=False)
    read_database_url: Annotated[str, AfterValidator(_sqlalchemy_url)] | None = Field(default=None, repr=False)
    model_path: Annotated[Path, AfterValidator(_in_project_folder)] = SHIPPED_MODEL
    shadow_model_path: Annotated[Path, AfterValidator(_no_pickle)] | None = None
    debug: bool = False
    # `wants_json_log` reads it by itself.
    log_format: Literal["text", "json"] = "text"
    rate_limit: Annotated[str, AfterValidator(_checked_rate_limit)] = "30/minute"
    preview_limit: Annotated[str, AfterValidator(_checked_rate_limit)] = "900/minute"
    read_limit: Annotated[str, AfterValidator(_checked_rate_limit)] = "600/minute"
    rate_limit_storage_uri: Annotated[SecretStr, AfterValidator(_checked_redis_uri)] | None = None
    public_results: bool = True
    cors_origins: Annotated[tuple[str, ...], BeforeValidator(_checked_origins)] = ()
    drift_p_value: float = Field(default=0.01, gt=0, lt=1)
    drift_psi: float = Field(default=0.1, gt=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _expand_references(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Strip white space and expand ${NAME} in all sources: systemd's EnvironmentFile does not."""
        known = _known_values()
        check_deployment(known)
        cleaned = {
            name: expanded(unquoted(name.upper(), value), known)
            if isinstance(value, str) and name in cls.model_fields
            else value
            for name, value in values.items()
        }
        return {name: value for name, value in cleaned.items() if value != ""}

    def require_secret_api_key(self) -> SecretStr:
        """Return the key; raise ConfigurationError if it is missing or the example."""
        key = self.secret_api_key
        if key is None or key.get_secret_value() == EXAMPLE_KEY:
            state = "not set" if key is None else "still the example"
            raise ConfigurationError(
                f"SECRET_API_KEY is {state}; make a key with `openssl rand -hex 32` and put it into .env"
            )
        return key


_KNOWN: Final = frozenset([*(name.upper() for name in Settings.model_fields), *DEPLOYMENT])


@cache
def get_settings() -> Settings:
    """Read the settings once; raise ConfigurationError."""
    settings = _validated_settings()
    for name, intended in _misspelt().items():
        # Otherwise the results would stay public.
        if intended == "PUBLIC_RESULTS":
            raise ConfigurationError(_not_a_setting(name, intended))
    return settings


def wants_json_log() -> bool:
    """Return whether LOG_FORMAT is json, even if another setting is invalid."""
    try:
        return setting_value("LOG_FORMAT", _known_values()) == "json"
    except (ConfigurationError, ValueError):
        return False


def deployment_setting(name: str, default: str) -> str:
    """Return a setting of scripts and units; raise ConfigurationError."""
    try:
        return deployment_value(name, _known_values()) or default
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def set_environment(*prefixes: str) -> dict[str, str]:
    """Put the settings with these prefixes, expanded, into the environment; return them. Raise ConfigurationError."""
    known = _known_values()
    try:
        found = {name: setting_value(name, known) for name in known if name.startswith(prefixes)}
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    os.environ.update(found)
    return found


def setting_warnings() -> list[str]:
    """Return warnings about misspelt names and a short key."""
    warnings = [_not_a_setting(name, intended) for name, intended in _misspelt().items()]
    key = get_settings().secret_api_key
    if key and len(key.get_secret_value()) < SHORT_KEY:
        warnings.append("SECRET_API_KEY is short and can be guessed; make a key with `openssl rand -hex 32`")
    return warnings


def _misspelt() -> dict[str, str]:
    return misspelt(sorted(_known_values().keys() - _KNOWN), _KNOWN)


def _not_a_setting(name: str, intended: str) -> str:
    return f"{name} is not a setting; did you mean {intended}?"


def backup_folder() -> Path | None:
    """Return the folder of the backups, or None if they are off; raise ConfigurationError."""
    if deployment_setting("PIXELWISE_BACKUP", "on") == "off":
        return None
    return Path(deployment_setting("PIXELWISE_BACKUP_FOLDER", DEFAULT_BACKUP_FOLDER))


def runtime_folder() -> Path | None:
    """Return systemd's RuntimeDirectory, if there is one."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return Path(given) if given else None


def set_metrics_folder(folder: Path | None) -> None:
    """Tell prometheus-client, which is imported later, where to keep metrics; None: in memory."""
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    if folder is not None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def environment_with(**more: str) -> dict[str, str]:
    return {**os.environ, **more}


def checked_database_url(text: str) -> str:
    """Check and expand a URL like DATABASE_URL; raise ConfigurationError."""
    return _validated_settings(database_url=text).database_url


def _validated_settings(**given: str) -> Settings:
    known = {name.lower(): value for name, value in _known_values().items()}
    try:
        return Settings.model_validate({**known, **given})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        name = "".join(str(part) for part in first["loc"][:1]).upper()
        message = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        reason = _PLAIN_REASONS.get(first["type"], message)
        raise ConfigurationError(f"{name}: {reason}" if name else reason) from None
