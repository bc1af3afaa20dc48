"""Allow packed pixels, which are shorter than 784 bytes, and add the view `v_drawings`, which unpacks them.

No row changes. `app/drawings/packing.py` describes the format. Release 0.9 cannot read packed pixels, so the service
stores them only once `compatible_since` in `schema_compatibility` says that no such release may use the tables: at once
if there are no predictions yet, else after `python -m app pack`.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0012"
down_revision: str | Sequence[str] | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

compatible_since: str = "0005"

CHECK = "ck_drawings_pixels"
RAW = "length(pixels) = 784"
RAW_OR_PACKED = "length(pixels) BETWEEN 98 AND 784"

# A step for each pixel: `is_ink` is its bit, `at` the place of its byte. instr() gives the value of a hexadecimal
# digit, and || gives text with the same bytes.
V_DRAWINGS_SQLITE = """
CREATE VIEW v_drawings AS
SELECT prediction_id, CASE WHEN length(pixels) >= 784 THEN pixels ELSE (
  WITH RECURSIVE step (pixel, is_ink, at, unpacked) AS (
    SELECT -1, 0, 99, ''
    UNION ALL
    SELECT pixel + 1,
      instr('123456789ABCDEF', substr(hex(substr(pixels, (pixel + 1) / 8 + 1, 1)), (pixel + 1) / 4 % 2 + 1, 1))
        >> (3 - (pixel + 1) % 4) & 1,
      at + is_ink,
      CASE WHEN pixel < 0 THEN '' WHEN is_ink AND at <= length(pixels) THEN unpacked || substr(pixels, at, 1)
        ELSE unpacked || zeroblob(1) END
    FROM step WHERE pixel < 784
  )
  SELECT CAST(unpacked AS BLOB) FROM step WHERE pixel = 784
) END AS pixels, scores, margin
FROM drawings
"""

UNPACKED_PIXELS = """
CREATE OR REPLACE FUNCTION unpacked_pixels(stored bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  unpacked bytea := decode(repeat('00', 784), 'hex');
  at integer := 98;
BEGIN
  IF length(stored) >= 784 THEN
    RETURN stored;
  END IF;
  FOR pixel IN 0..783 LOOP
    -- get_bit() counts from the lowest bit of a byte.
    IF get_bit(stored, pixel / 8 * 8 + 7 - pixel % 8) = 1 AND at < length(stored) THEN
      unpacked := set_byte(unpacked, pixel, get_byte(stored, at));
      at := at + 1;
    END IF;
  END LOOP;
  RETURN unpacked;
END $$
"""
V_DRAWINGS_POSTGRESQL = """
CREATE OR REPLACE VIEW v_drawings AS
SELECT prediction_id, unpacked_pixels(pixels) AS pixels, scores, margin FROM drawings
"""

UNPACK = "UPDATE drawings SET pixels = unpacked_pixels(pixels) WHERE length(pixels) < 784"
VALIDATE = f"ALTER TABLE drawings VALIDATE CONSTRAINT {CHECK}"
REPLACE_CHECK_SQLITE = """
UPDATE sqlite_master SET sql = replace(sql, :old, :new) WHERE type = 'table' AND name = 'drawings'
"""

REFUSE_OLDER = """
UPDATE schema_compatibility SET compatible_since = :revision WHERE NOT EXISTS (SELECT 1 FROM predictions)
"""
ACCEPT_OLDER = "UPDATE schema_compatibility SET compatible_since = :revision"


def upgrade() -> None:
    # On PostgreSQL, a run that fails midway has committed the first steps; the next run makes them again.
    replace_check(RAW_OR_PACKED)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(UNPACKED_PIXELS)
        op.execute(V_DRAWINGS_POSTGRESQL)
        with op.get_context().autocommit_block():
            op.execute(VALIDATE)
    else:
        op.execute(V_DRAWINGS_SQLITE)
    # No older release has served an empty database.
    op.get_bind().execute(sa.text(REFUSE_OLDER), {"revision": revision})


def downgrade() -> None:
    op.get_bind().execute(sa.text(ACCEPT_OLDER), {"revision": compatible_since})
    # First, so that on PostgreSQL nobody stores packed pixels meanwhile.
    replace_check(RAW)
    op.execute("DROP VIEW v_drawings")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(UNPACK)
        op.execute("DROP FUNCTION unpacked_pixels")
        op.execute(VALIDATE)
    else:
        # Takes a thirtieth of the view's time.
        op.get_bind().connection.driver_connection.create_function("unpacked_pixels", 1, unpacked_pixels)
        op.execute(UNPACK)


def unpacked_pixels(stored: bytes) -> bytes:
    bits = f"{int.from_bytes(stored[:98]):0784b}"
    ink = iter(stored[98:])
    return bytes(next(ink, 0) if bit == "1" else 0 for bit in bits)


def replace_check(condition: str) -> None:
    """Replace the CHECK of `drawings` without looking at the rows."""
    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        op.execute(
            f"ALTER TABLE drawings DROP CONSTRAINT {CHECK}, ADD CONSTRAINT {CHECK} CHECK ({condition}) NOT VALID"
        )
        return
    # Batch mode would copy every drawing. These are the steps of https://www.sqlite.org/lang_altertable.html#otheralter
    # for a change of a CHECK.
    version = bind.scalar(sa.text("PRAGMA schema_version"))
    op.execute("PRAGMA writable_schema = ON")
    for old in (RAW, RAW_OR_PACKED):
        bind.execute(sa.text(REPLACE_CHECK_SQLITE), {"old": f"({old})", "new": f"({condition})"})
    op.execute(f"PRAGMA schema_version = {version + 1}")
    # Also makes this connection read the tables again.
    op.execute("PRAGMA writable_schema = RESET")
