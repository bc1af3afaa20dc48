"""Fetch fonts, icons and characters as packages, by name, version and checksum."""

import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = Path(__file__).parent / "packages"
"""What to fetch: npm's lock file, and pip's requirement of the Hershey fonts, both with checksums."""
CACHE = Path.home() / ".cache" / "pixelwise" / "sources"


def fetch() -> Path | None:
    """Return the folder with the packages, fetched once; None if they cannot be fetched."""
    lock = (PACKAGES / "package-lock.json").read_bytes()
    done = CACHE / "fetched.json"
    if done.exists() and done.read_bytes() == lock:
        return CACHE
    CACHE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "hershey.txt"):
        shutil.copy(PACKAGES / name, CACHE)
    print("Fetching fonts, icons and characters", flush=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--upgrade"]
    try:
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=CACHE, check=True)
        subprocess.run([*pip, "--target", "hershey", "-r", "hershey.txt"], cwd=CACHE, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Without fonts and icons ({error})", flush=True)
        return None
    done.write_bytes(lock)
    return CACHE
