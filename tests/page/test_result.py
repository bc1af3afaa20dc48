"""One prediction on the page: shown, labelled, annotated and deleted."""

from playwright.sync_api import Page, expect

from tests.support.results_page import classify_drawings, go, notes, row, send
from tests.support.service import execute, rows
from tests.support.service_process import Service

HOSTILE = (
    '<img src=x onerror="document.title=1">',
    "</script><script>document.title=1</script>",
    "\u202eevil \u05e9\u05d1\u05e2",
    "long " * 399,
)


def test_hostile_text_is_shown_as_text(page: Page, service: Service) -> None:
    classify_drawings(service, len(HOSTILE))
    for number, note in enumerate(HOSTILE, start=1):
        send(service, "PATCH", f"/results/{number}", {"notes": note})
        send(service, "PUT", f"/results/{number}/label", {"label": "1", "source": note[:64]})
    go(page, "#/results")
    for number, note in enumerate(HOSTILE, start=1):
        expect(row(page, number).locator(".notes")).to_have_text(note, use_inner_text=False)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for number, note in enumerate(HOSTILE, start=1):
        go(page, f"#/results/{number}")
        expect(page.locator(".notes-text")).to_have_text(note)
        expect(page.locator(".labels")).to_contain_text(note[:64].strip())
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.title() == "Prediction · PixelWise"
    assert page.locator("main script, main img:not(.drawing)").count() == 0


def test_conflicting_notes_are_shown_before_they_are_overwritten(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    go(page, "#/results/1")
    page.get_by_role("button", name="Write notes").click()
    box = page.get_by_role("textbox", name="Notes on prediction 1")
    box.fill("mine")
    # A label also changes the ETag, but does not conflict with notes.
    send(service, "PUT", "/results/1/label", {"label": "5"})
    send(service, "PATCH", "/results/1", {"notes": "theirs"})
    page.get_by_role("button", name="Save").click()
    expect(page.locator("blockquote")).to_have_text("theirs")
    expect(box).to_have_value("mine")
    assert notes(sqlite_url, 1) == "theirs"
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notes-text")).to_have_text("mine")
    assert notes(sqlite_url, 1) == "mine"


def test_prediction_is_shown_labelled_and_deleted(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 3)
    execute(sqlite_url, "UPDATE predictions SET prediction = '1', not_a_digit = 0")
    go(page, "#/results?prediction=1")
    row(page, 2).get_by_role("link").click()
    pictures = page.locator("article img")
    expect(pictures).to_have_count(2)
    for number in range(2):
        expect(pictures.nth(number)).to_have_js_property("naturalWidth", 28)
    expect(page.locator(".bars li")).to_have_count(10)
    (stored,) = rows(sqlite_url, "SELECT request_id, model_version FROM predictions WHERE id = 2")
    expect(page.locator(".details")).to_contain_text(stored["request_id"])
    expect(page.locator(".details")).to_contain_text(stored["model_version"])
    page.keyboard.press("7")
    expect(page.locator(".labels")).to_contain_text("7 by built-in")
    page.get_by_role("button", name="Right").click()
    expect(page.locator(".labels li")).to_have_count(2)
    page.get_by_role("button", name="Delete …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This deletes the drawing, the prediction and its 2 labels. It cannot be undone.")
    # A concurrent change is shown before the prediction is deleted.
    send(service, "PATCH", "/results/2", {"notes": "keep this"})
    dialog.get_by_role("button", name="Delete permanently").click()
    expect(dialog).to_contain_text("Somebody has changed this prediction")
    expect(dialog).to_contain_text("its 2 labels and its notes.")
    assert notes(sqlite_url, 2) == "keep this"
    dialog.get_by_role("button", name="Delete permanently").click()
    expect(page.locator(".result-row")).to_have_count(2)
    assert page.url.endswith("#/results?prediction=1")
    assert [found["id"] for found in rows(sqlite_url, "SELECT id FROM predictions ORDER BY id")] == [1, 3]
    go(page, "#/results/2")
    expect(page.get_by_text("This prediction does not exist")).to_be_visible()


def test_label_of_a_prediction_that_was_deleted_says_so(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    go(page, "#/results/1")
    expect(page.get_by_text("No labels yet.")).to_be_visible()
    execute(sqlite_url, "DELETE FROM drawings", "DELETE FROM predictions")
    page.get_by_role("button", name="It is a 7").press("Enter")
    expect(page.get_by_text("This prediction does not exist. It may have been deleted.")).to_be_visible()
    expect(page.get_by_role("link", name="← Results")).to_be_focused()
    page.keyboard.press("7")
    assert page.evaluate("localStorage.length") == 0


def test_prediction_with_a_large_id_opens(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    execute(
        sqlite_url,
        "PRAGMA defer_foreign_keys = ON",
        "UPDATE predictions SET id = 987654321012345",
        "UPDATE drawings SET prediction_id = 987654321012345",
    )
    go(page, "#/results/987654321012345")
    expect(page.get_by_role("heading", name="Prediction 987654321012345")).to_be_visible()


def test_held_key_labels_a_prediction_once(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    go(page, "#/results/1")
    expect(page.get_by_text("No labels yet.")).to_be_visible()
    for _ in range(4):
        page.keyboard.down("3")
    page.keyboard.up("3")
    expect(page.locator(".labels li b")).to_have_text(["3"])
    page.keyboard.press("4")
    expect(page.locator(".labels li b")).to_have_text(["4", "3"])
    assert [found["label"] for found in rows(sqlite_url, "SELECT label FROM labels ORDER BY id")] == ["3", "4"]


def test_old_rows_without_drawing_scores_and_time_are_shown(page: Page, service: Service, sqlite_url: str) -> None:
    classify_drawings(service, 1)
    execute(sqlite_url, "DELETE FROM drawings", "UPDATE predictions SET created_at = NULL, request_id = NULL")
    go(page, "#/results")
    expect(row(page, 1)).to_contain_text("unknown time")
    expect(row(page, 1).locator("img.missing")).to_be_attached()
    row(page, 1).get_by_role("link").click()
    expect(page.get_by_text("The scores of this prediction are not stored.")).to_be_visible()
    expect(page.get_by_text("The drawing is not stored.")).to_be_visible()
