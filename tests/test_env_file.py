"""`.env`: a line means the same to python-dotenv, systemd and PixelWise, or is refused with its number."""

import io
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from app.config import PROJECT_FOLDER, ConfigurationError, deployment_setting, get_settings, setting_warnings
from app.env_file import TAKEN_AS_IS, EnvFileError, read_env_file
from tests.support.project_copy import cannot_run, run

# systemd's own reader of such files, which works without a running systemd.
GENERATOR = Path("/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator")

READ_ALIKE = [
    "NAME=value",
    "NAME=",
    "  NAME=value",
    "NAME = value",
    "NAME=value  ",
    "NAME=value\r",
    "NAME='a value # with a hash'",
    'NAME="a value # with a hash"',
    'NAME="it\'s"',
    "NAME=''",
    'NAME="value"\t ',
    "NAME=a#b",
    "NAME=a=b==",
    "NAME==",
    "NAME=5/second;1000/day",
    "NAME=https://a.example, http://b.example",
    "NAME=schlüssel-鍵",
    "NAME=first\nNAME=last",
    "NAME=first\rOTHER=second",
    "# NAME=comment\n\n   \n  # another\nNAME=value",
]

REFUSED = [
    ("NAME=value # comment", "a comment needs a line of its own"),
    ("NAME=value\t# comment", "a comment needs a line of its own"),
    ("NAME= # comment", "a comment needs a line of its own"),
    ('NAME="value" # comment', "a comment needs a line of its own"),
    ("NAME='value' # comment", "a comment needs a line of its own"),
    ('NAME="value', "quotes must enclose the whole value"),
    ("NAME='value", "quotes must enclose the whole value"),
    ('NAME="', "quotes must enclose the whole value"),
    ('NAME="one"two', "quotes must enclose the whole value"),
    ('NAME="one""two"', "quotes must enclose the whole value"),
    ('NAME=value"', "has a quote in it"),
    ("NAME=it's", "has a quote in it"),
    ("NAME=value\\", "backslash"),
    ("NAME=one\\\ntwo", "backslash"),
    ('NAME="a\\nb"', "backslash"),
    ("NAME='a\\\\b'", "backslash"),
    ("# comment\\\nNAME=value", "must not end with a backslash"),
    ("export NAME=value", "leave out export"),
    ("set NAME=value", "leave out set"),
    ("NAME: value", "is not NAME=value"),
    ("NAME", "is not NAME=value"),
    ("=value", "is not NAME=value"),
    ("MY-NAME=value", "is not NAME=value"),
    ("1NAME=value", "is not NAME=value"),
    ("NÄME=value", "is not NAME=value"),
    ("'NAME'=value", "is not NAME=value"),
    ("; NAME=value", "is not NAME=value"),
    ("NAME=one\x0btwo", "cannot be printed"),
    ("NAME=value\xa0", "cannot be printed"),
    ("NAME=one\u2028two", "cannot be printed"),
    ("NAME=\x1b[31m", "cannot be printed"),
    ("# \0", "save the file as UTF-8"),
]


def read_by_systemd(text: str, folder: Path) -> dict[str, str]:
    if not GENERATOR.exists():
        cannot_run("systemd is missing; to run this test: apt install systemd")
    (folder / "environment.d").mkdir(exist_ok=True)
    (folder / "environment.d/test.conf").write_bytes(text.encode())
    done = subprocess.run(
        [GENERATOR], env={"XDG_CONFIG_HOME": str(folder)}, capture_output=True, text=True, timeout=30, check=True
    )
    lines = [line.partition("=") for line in done.stdout.splitlines()]
    return {name: "".join(shlex.split(value)) for name, _, value in lines if name in ("NAME", "OTHER")}


def read_by_dotenv(text: str) -> dict[str, str | None]:
    return dotenv_values(stream=io.StringIO(text, newline=None), interpolate=False)


@pytest.mark.parametrize("text", READ_ALIKE)
def test_accepted_line_means_the_same_to_every_reader(text: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(text.encode())
    values = read_env_file(tmp_path / ".env")
    assert values
    assert values == read_by_dotenv(text)
    # The generator does not print empty values.
    assert {name: value for name, value in values.items() if value} == read_by_systemd(text, tmp_path)


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_other_line_is_refused_with_its_number_and_without_its_value(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(f"# Settings\nOTHER=1\n{text}\n".encode())
    with pytest.raises(EnvFileError) as refused:
        read_env_file(tmp_path / ".env")
    message = str(refused.value)
    assert message.startswith(f"cannot read {tmp_path}/.env, line 3: ")
    assert reason in message
    assert message.isprintable()
    assert "two" not in message


def test_values_with_references_are_kept_as_they_are(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=${B}\nB=\"$C\"\nC='$(date)'\n")
    assert read_env_file(tmp_path / ".env") == {"A": "${B}", "B": "$C", "C": "$(date)"}


@pytest.mark.parametrize("content", ["A=1\nB=ü\n".encode("utf-16"), "A=1\nB=ü\n".encode("latin-1")])
def test_other_encoding_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(EnvFileError, match=r"line [12]: save the file as UTF-8"):
        read_env_file(tmp_path / ".env")


def test_byte_order_mark_is_refused_where_systemd_would_lose_a_setting(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("\ufeffUVICORN_HOST=0.0.0.0\n".encode())
    with pytest.raises(EnvFileError, match=r"line 1: .*byte order mark"):
        read_env_file(tmp_path / ".env")
    (tmp_path / ".env").write_bytes("\ufeff# Settings\nUVICORN_HOST=0.0.0.0\n".encode())
    assert read_env_file(tmp_path / ".env") == {"UVICORN_HOST": "0.0.0.0"}


def test_missing_file_has_no_values_but_a_broken_link_or_a_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert read_env_file(path) == {}
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(EnvFileError, match="a link to a file that does not exist"):
        read_env_file(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(EnvFileError, match="Is a directory"):
        read_env_file(path)


@pytest.mark.parametrize("line", ["PUBLIC_RESULTS: false", "set PUBLIC_RESULTS=false", 'PUBLIC_RESULTS="false'])
def test_privacy_setting_that_cannot_be_read_refuses_to_start(
    settings_environment: pytest.MonkeyPatch, line: str
) -> None:
    Path(".env").write_text(f"DEBUG=true\n{line}\n")
    with pytest.raises(ConfigurationError, match=r"\.env, line 2: "):
        get_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODEL_URL", "kept-quiet"),
        ("MODEL_SHA256", "kept-quiet"),
        ("PIXELWISE_NGINX", "Off"),
        ("PIXELWISE_BACKUP", "no"),
        ("PIXELWISE_BACKUPS_KEPT", "0"),
        ("PIXELWISE_PRUNE_OLDER_THAN", "90"),
        ("UVICORN_HOST", "kept=quiet"),
        ("UVICORN_HOST", "0.0.0.0:8000"),
        ("UVICORN_HOST", "' 0.0.0.0'"),
        # uvicorn and the unit would not expand it.
        ("UVICORN_HOST", "${HOME}"),
        ("WEB_CONCURRENCY", "two"),
        ("FORWARDED_ALLOW_IPS", "nginx"),
        ("FORWARDED_ALLOW_IPS", "172.17.0.1/16"),
        ("FORWARDED_ALLOW_IPS", "*, 10.0.0.10"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.10,"),
        ("FORWARDED_ALLOW_IPS", "${HOME}"),
    ],
)
def test_settings_of_scripts_and_units_are_checked_at_every_start(
    settings_environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    Path(".env").write_text(f"{name}={value}\n")
    with pytest.raises(ConfigurationError, match=f"^{name}: must b"):
        get_settings()
    printed = run(Path.cwd(), sys.executable, "-I", str(PROJECT_FOLDER / "app/env_file.py"), name)
    assert (printed.returncode, printed.stdout) == (1, "")
    assert printed.stderr.startswith(f"pixelwise: {name}: must b")
    assert "quiet" not in printed.stderr


@pytest.mark.parametrize("name", TAKEN_AS_IS)
def test_empty_value_is_refused_where_another_program_cannot_read_it(
    settings_environment: pytest.MonkeyPatch, name: str
) -> None:
    settings_environment.setenv(name, "")
    with pytest.raises(ConfigurationError, match=f"{name} is empty"):
        get_settings()
    settings_environment.delenv(name)
    Path(".env").write_text(f"{name}=\n")
    with pytest.raises(ConfigurationError, match=f"line 1: {name} needs a value"):
        get_settings()


@pytest.mark.parametrize("value", ["*", "10.0.0.10", "10.0.0.10, 2001:db8::7,10.1.0.0/16"])
def test_trusted_proxies_are_addresses_and_networks(settings_environment: pytest.MonkeyPatch, value: str) -> None:
    Path(".env").write_text(f"FORWARDED_ALLOW_IPS={value}\n")
    assert deployment_setting("FORWARDED_ALLOW_IPS", "") == value


def test_misspelt_setting_of_uvicorn_is_named(settings_environment: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("FORWARDED_ALLOWED_IPS=*\n")
    assert setting_warnings() == ["FORWARDED_ALLOWED_IPS is not a setting; did you mean FORWARDED_ALLOW_IPS?"]


@pytest.mark.parametrize(
    ("text", "arguments", "printed"),
    [
        ("MODEL_PATH='models/a b.onnx'\n", ["MODEL_PATH", "default"], "models/a b.onnx"),
        ("MODEL_PATH=\n", ["MODEL_PATH", "default"], "default"),
        ("", ["MODEL_PATH"], ""),
        ("HERE=b.example\nMODEL_URL=https://${HERE}/m\n", ["MODEL_URL"], "https://b.example/m"),
    ],
)
def test_scripts_read_a_setting_without_the_virtual_environment(
    tmp_path: Path, text: str, arguments: list[str], printed: str
) -> None:
    python = shutil.which("python3", path="/usr/bin") or sys.executable
    (tmp_path / ".env").write_text(text)
    done = run(tmp_path, python, "-I", str(PROJECT_FOLDER / "app/env_file.py"), *arguments)
    assert (done.returncode, done.stdout) == (0, f"{printed}\n"), done.stderr


def test_empty_variable_of_the_environment_does_not_override_the_file(
    settings_environment: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("PUBLIC_RESULTS=false\nPIXELWISE_BACKUP=off\n")
    for name in ("PUBLIC_RESULTS", "PIXELWISE_BACKUP"):
        settings_environment.setenv(name, "")
    assert not get_settings().public_results
    command = (sys.executable, "-I", str(PROJECT_FOLDER / "app/env_file.py"), "PIXELWISE_BACKUP", "on")
    assert run(Path.cwd(), *command, PIXELWISE_BACKUP="").stdout == "off\n"


def test_value_of_white_space_is_empty_to_the_service_and_to_scripts(
    settings_environment: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("HOST_OF_MODELS=' '\nMODEL_URL=https://${HOST_OF_MODELS}/m\n")
    with pytest.raises(ConfigurationError, match="HOST_OF_MODELS is set neither"):
        get_settings()
    printed = run(Path.cwd(), sys.executable, "-I", str(PROJECT_FOLDER / "app/env_file.py"), "MODEL_URL")
    assert "HOST_OF_MODELS is set neither" in printed.stderr


def test_inserted_value_is_read_like_a_setting(settings_environment: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(
        "DATABASE_URL=postgresql://pixelwise:${DB_PASSWORD}@localhost/pixelwise\nDB_PASSWORD=${FROM_VAULT}\n"
    )
    # As docker and Kubernetes pass the content of a file.
    settings_environment.setenv("FROM_VAULT", "from-vault\n")
    assert ":from-vault@" in get_settings().database_url


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ('"kept-quiet"', "DB_PASSWORD stands in quotes"),
        ("${DB_PASSWORD}", "DB_PASSWORD is set neither"),
        ("${OTHER:-kept-quiet}", "takes the name of another setting and nothing else"),
        ("${}", "takes the name of another setting and nothing else"),
    ],
)
def test_inserted_value_that_cannot_be_meant_is_refused(
    settings_environment: pytest.MonkeyPatch, password: str, reason: str
) -> None:
    settings_environment.setenv("DB_PASSWORD", password)
    Path(".env").write_text("DATABASE_URL=postgresql://pixelwise:${DB_PASSWORD}@localhost/pixelwise\n")
    with pytest.raises(ConfigurationError) as refused:
        get_settings()
    assert reason in str(refused.value)
    assert "quiet" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SECRET_API_KEY", "kept-quiet   #main"), ("DATABASE_URL", "sqlite:////srv/pixelwise.db # main")],
)
def test_comment_that_docker_keeps_in_a_value_is_refused(
    settings_environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    settings_environment.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name}: has a comment in its value") as refused:
        get_settings()
    assert "quiet" not in str(refused.value)
