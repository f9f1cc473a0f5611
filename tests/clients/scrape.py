"""Reads metrics with the strict parser of Prometheus' own Python client: `python scrape.py URL`, one JSON object of samples."""
import json, sys, urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

with urllib.request.urlopen(sys.argv[1], timeout=10) as response:
    assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"), response.headers
    families = list(text_string_to_metric_families(response.read().decode()))
assert all(family.documentation and family.type != "unknown" for family in families), families
print(json.dumps({sample.name: str(sample.value) for family in families for sample in family.samples}))
