from app.classifier.onnx_model import Classification


def are_probabilities(answer: Classification) -> bool:
    """Return whether all numbers of an answer are from 0 to 1."""
    # The confidence is the largest score, or NaN if a score is.
    numbers = answer["confidence"], min(answer["scores"].values()), answer["not_a_digit"] or 0
    return all(0 <= number <= 1 for number in numbers)
