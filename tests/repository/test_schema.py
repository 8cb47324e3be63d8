"""dlrun.schema.json is what `dlrun schema` prints."""

import json

from dlrun.config.schema import json_schema
from tests.repository.documents import ROOT


def test_the_schema_is_up_to_date():
    kept = json.loads((ROOT / "dlrun.schema.json").read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(json_schema())), "run `make schema`"
