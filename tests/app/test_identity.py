"""Who asks is who wrote it: the name reaches every revision, however it comes about."""

from app.control import revisions, runs
from app.identity import Identity
from app.store import Store
from schemas.runs import RevisionCreate, RewindCreate, RunCreate
from tests.app.control.harness import LINEAR, Run, control_over


def test_the_author_of_a_revision_is_who_sent_it(store: Store) -> None:
    control = control_over(store)
    name = Run(control).name
    plan = {"tracks": {"lr": LINEAR}}
    hold = RevisionCreate.model_validate({"action": {"kind": "hold"}})
    runs.create(control, RunCreate.model_validate({"run": name, "plan": plan}), Identity("ada"))
    revisions.revise(control, name, hold, Identity("grace"))
    revisions.preview(control, name, hold, Identity("nobody"))
    revisions.rewind(control, name, RewindCreate.model_validate({"to_step": 0}), Identity("edsger"))
    listed, _ = revisions.history(control, name)
    assert [one.author for one in listed.items] == ["ada", "grace", "edsger"]
