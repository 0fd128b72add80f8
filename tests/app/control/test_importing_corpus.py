"""Files as people have them: read to the values of their library, or refused for the field that decides."""

import pytest

from app.control.importing import imported
from app.control.schedules import evaluate
from app.errors import Invalid
from app.reading import READERS
from schemas.evaluate import Evaluate
from schemas.importing import Import
from tests.app.dialects.checks import codes
from tests.corpus.all import CORPUS
from tests.corpus.entries import Entry


def request(entry: Entry) -> Import:
    """The import of an entry."""
    file = {"text": entry.file} if isinstance(entry.file, str) else {"config": entry.file}
    return Import.model_validate(file | entry.given)


@pytest.mark.parametrize("entry", CORPUS, ids=lambda entry: entry.name)
def test_a_file_is_read_to_its_librarys_values_or_refused_where_it_decides(entry: Entry) -> None:
    if isinstance(entry.says, str):
        with pytest.raises(Invalid) as caught:
            imported(request(entry))
        assert [pointer for pointer, _ in caught.value.errors] == [entry.says]
        return
    answer = imported(request(entry))
    assert answer["library"] == entry.library
    assert tuple(codes(answer)) == entry.codes
    plan = answer.get("plan") or {"tracks": {"lr": answer["schedule"]}}
    steps = sorted({*range(0, entry.steps, max(1, entry.steps // 97)), 1, 2, entry.steps - 2, entry.steps - 1})
    found = evaluate(Evaluate.model_validate({"plan": plan, "steps": steps})).values[entry.track].tolist()
    expected = [entry.says(step) for step in steps]
    assert found == pytest.approx(expected, rel=entry.rel, abs=1e-6 * entry.rel * max(expected) + 1e-15)


def test_the_corpus_is_large_and_most_of_it_is_read() -> None:
    read = [entry for entry in CORPUS if not isinstance(entry.says, str)]
    assert len({entry.name for entry in CORPUS}) == len(CORPUS) >= 60
    assert len(read) >= 45
    assert {entry.library for entry in read} == set(READERS)
