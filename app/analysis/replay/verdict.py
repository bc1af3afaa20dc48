from app.analysis.number_texts import format_p_with_name
from app.analysis.replay.totals import SIGNIFICANT
from app.schemas.replay import Agreement, LabelledComparison


def verdict(drawings: int, agreement: Agreement, labelled: LabelledComparison) -> str:
    if not drawings:
        return "There is nothing to compare: no drawing was classified."
    if agreement.agreed == drawings:
        return f"All {drawings:,} answers are the same: neither model is better."
    if not labelled.drawings:
        return "No labels, so the models cannot be ranked: label some of the flips first."
    return _finding(labelled, "")


def verdict_on_part(labelled: LabelledComparison, part: LabelledComparison, which: str) -> str | None:
    """Return the verdict on a part, such as "drawn at random", or None if it adds nothing."""
    if part.drawings in (0, labelled.drawings) or not labelled.only_stored_correct + labelled.only_new_correct:
        return None
    return _finding(part, f" {which}")


def _finding(part: LabelledComparison, which: str) -> str:
    found = "no difference can be shown"
    if part.p_value < SIGNIFICANT:
        found = "better" if part.only_new_correct > part.only_stored_correct else "worse"
    return (
        f"On {part.drawings:,} labelled drawing{'s' if part.drawings != 1 else ''}{which} the new model is right"
        f" {_times(part.only_new_correct)} where the stored answer is wrong and wrong"
        f" {_times(part.only_stored_correct)} where it is right ({format_p_with_name(part.p_value)}): {found}."
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"
