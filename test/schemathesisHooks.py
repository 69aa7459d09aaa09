"""Bodies of a type that schemathesis has no generator for: lines of JSON, most of them documents, some of them not."""

import json

import schemathesis
from hypothesis import strategies as st

documents = st.fixed_dictionaries(
    {"text": st.text()}, optional={"id": st.text() | st.integers()}
).map(json.dumps)
anything = st.text(alphabet=st.characters(exclude_characters="\n", codec="utf-8"))
bodies = st.lists(documents | documents | anything).map("\n".join)

schemathesis.openapi.media_type("application/x-ndjson", bodies.map(str.encode))
