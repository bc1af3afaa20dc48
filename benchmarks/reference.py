"""The reference for the benchmarks: the design of PixelWise v0.5, neither slowed down nor sped up.

FastAPI with a sync route in the thread pool, a loosely typed body, scikit-learn's logistic regression, one SQLAlchemy
session and one commit per request, and SQLite's default rollback journal. `uvicorn benchmarks.reference:app` serves
it; `python -m benchmarks.reference` creates its tables and trains its model, which is kept outside the repository.
"""

import os
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from numpy.typing import NDArray
from pydantic import BaseModel
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from benchmarks.digits import digits

MODEL_VERSION = "v1"
SECRET_API_KEY = os.environ.get("SECRET_API_KEY", "")
DATABASE_URL = os.environ.get("DATABASE_URL", "sqlite:///./reference.db")


def model_path() -> Path:
    """Return the path of the cached weights; one file for each source of digits."""
    source = "mnist" if os.environ.get("PIXELWISE_MNIST_DIR") else "scikit-learn"
    return Path(tempfile.gettempdir()) / "pixelwise-benchmarks" / f"reference-{source}.npz"


def _between_0_and_1(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return images / 255.0


def train(path: Path) -> None:
    """Fit the pipeline on the training digits and save its weights as arrays."""
    data = digits()
    fitted = make_pipeline(FunctionTransformer(_between_0_and_1), LogisticRegression(tol=0.002))
    fitted.fit(data.train_images.reshape(-1, 784), data.train_labels)
    right = fitted.score(data.test_images.reshape(-1, 784), data.test_labels)
    regression = fitted[-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{os.getpid()}-{path.name}")
    np.savez(
        unfinished,
        classes=regression.classes_,
        coefficients=regression.coef_,
        intercepts=regression.intercept_,
        right=right,
    )
    unfinished.replace(path)


@cache
def pipeline() -> Pipeline:
    """Return the pipeline, trained on first use. `predict_proba`: uint8 (N, 784) to float64 (N, 10)."""
    path = model_path()
    if not path.exists():
        train(path)
    regression = LogisticRegression()
    with np.load(path, allow_pickle=False) as weights:
        regression.classes_ = weights["classes"]
        regression.coef_, regression.intercept_ = weights["coefficients"], weights["intercepts"]
    regression.n_features_in_ = regression.coef_.shape[1]
    return make_pipeline(FunctionTransformer(_between_0_and_1), regression)


def classify_batch(images: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Classify images uint8 (N, 28, 28)."""
    answers = []
    for probabilities in pipeline().predict_proba(images.reshape(len(images), -1)):
        best = int(probabilities.argmax())
        scores = {str(digit): float(score) for digit, score in enumerate(probabilities)}
        answers.append({"prediction": str(best), "confidence": float(probabilities[best]), "scores": scores})
    return answers


class Base(DeclarativeBase):
    """The tables of the reference."""


def _naive_utc() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Prediction(Base):
    """A prediction, all that v0.5 stores."""

    __tablename__ = "predictions"
    id: Mapped[int] = mapped_column(primary_key=True)
    prediction: Mapped[str]
    confidence: Mapped[float]
    model_version: Mapped[str]
    created_at: Mapped[datetime | None] = mapped_column(default=_naive_utc)


engine = create_engine(
    DATABASE_URL, connect_args={"check_same_thread": False} if DATABASE_URL.startswith("sqlite") else {}
)
SessionLocal = sessionmaker(bind=engine, autoflush=False)


def check_key(x_api_key: Annotated[str, Header()]) -> None:
    """Reject a request without the right key."""
    if x_api_key != SECRET_API_KEY:
        raise HTTPException(401, "Invalid API key")


class Drawing(BaseModel):
    """The body of a request."""

    pixels: list[list[int]]


class Answer(BaseModel):
    """The answer to a request."""

    prediction: str
    confidence: float
    scores: dict[str, float]


limiter = Limiter(key_func=get_remote_address)
app = FastAPI()
app.state.limiter = limiter
app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]


@app.get("/health")
def health() -> dict[str, str]:
    """Report that the process answers."""
    return {"status": "ok", "model_version": MODEL_VERSION}


@app.post("/classify", dependencies=[Depends(check_key)])
@limiter.limit(os.environ.get("RATE_LIMIT", "30/minute"))
def classify(request: Request, drawing: Drawing) -> Answer:
    """Classify one drawing and commit its row before the response."""
    pixels = np.array(drawing.pixels, dtype=np.uint8)
    if pixels.shape != (28, 28):
        raise HTTPException(422, "pixels must be 28 x 28")
    answer = classify_batch(pixels[np.newaxis])[0]
    row = Prediction(prediction=answer["prediction"], confidence=answer["confidence"], model_version=MODEL_VERSION)
    with SessionLocal() as session:
        session.add(row)
        session.commit()
    return Answer(**answer)


@app.get("/results")
def results() -> dict[str, list[dict[str, Any]]]:
    """Return the 20 newest rows, newest first."""
    with SessionLocal() as session:
        rows = session.scalars(select(Prediction).order_by(Prediction.id.desc()).limit(20)).all()
    names = ("id", "prediction", "confidence", "model_version", "created_at")
    return {"results": [{name: getattr(row, name) for name in names} for row in rows]}


if __name__ == "__main__":
    pipeline()
    Base.metadata.create_all(engine)
    with np.load(model_path(), allow_pickle=False) as saved:
        print(f"{model_path()}: {float(saved['right']):.2%} of the test digits classified correctly")
