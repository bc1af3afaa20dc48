"""Label a hundred drawings as a reviewer would, with the correct labels from truth.txt.

two_thousand_drawings.py writes truth.txt; line N is the label of prediction N. SECRET_API_KEY comes from the
environment, the service's address from the command line.
"""

import json
import os
import sys
import urllib.request
from pathlib import Path

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000"
LABELS = 100
truth = Path("truth.txt").read_text().split()


def call(method: str, path: str, body: object = None) -> dict:
    headers = {"X-API-Key": os.environ["SECRET_API_KEY"], "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(ADDRESS + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


labelled = wrong = at_random = 0
while labelled < LABELS and (items := call("GET", "/review?limit=10&reviewer=anna")["results"]):
    for item in items:
        label = truth[item["id"] - 1]
        call("PUT", f"/results/{item['id']}/label", {"label": label, "source": "anna"})
        labelled += 1
        wrong += label != item["prediction"]
        at_random += item["reason"] == "random"
print(f"{labelled} labelled, {at_random} of them drawn at random; the answer was wrong {wrong} times")
