"""A person's yes or no to a promotion: the flow run is suspended until it is given, or time is up.

python -m tasks.approval approve|reject RUN REASON      (`permix approve`, `permix reject`; or the Prefect UI)
"""

from __future__ import annotations

import sys
from typing import Literal
from uuid import UUID

import mlflow
import prefect.runtime.deployment
import prefect.runtime.flow_run
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import FlowPauseTimeout, ObjectNotFound
from prefect.flow_runs import resume_flow_run, suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from permix.config import PromotionSettings
from tasks.alias import set_tag
from tasks.ledger import whoami

TAG = "permix.approval"


class ApprovalError(RuntimeError):
    """Nobody can be asked, or nothing is waiting for an answer; the message says what to do."""


class Approval(RunInput):
    """The form in the Prefect UI."""

    decision: Literal["approve", "reject"] = Field(description="approve makes it champion")
    reason: str = Field(min_length=3, max_length=2000, description="Goes into the promotion ledger")
    by: str = Field(min_length=2, max_length=200, description="Who decides")


def check_can_ask(settings: PromotionSettings) -> None:
    """Raise ApprovalError where a person is to be asked and this run could not wait for the answer."""
    if settings.approval == "required" and prefect.runtime.deployment.id is None:
        raise ApprovalError(
            "promotion.approval is required, and only a deployed run can wait for a person: start it by "
            "`permix up` and `prefect deployment run`, or set promotion.approval=none"
        )


def ask(settings: PromotionSettings, version: str, champion: str | None, evidence: str) -> Approval:
    """Suspend the flow run until a person has decided; `evidence` (markdown) stands above the form.

    The process ends here, and the run is taken up from its top once there is an answer; then this returns it. So call
    it outside any MLflow run: left by an exception, that would be marked as failed. Without an answer in time, Prefect
    fails the flow run, and nothing is promoted.
    """
    name = settings.registered_model
    if TAG not in mlflow.MlflowClient().get_model_version(name, version).tags:
        hours = f"no answer within {settings.approval_hours:g} h is no"
        asked = f"asked for in flow run {prefect.runtime.flow_run.name}; {hours}"
        set_tag(name, version, TAG, asked)
    answer: Approval = suspend_flow_run(
        wait_for_input=Approval.with_initial_data(description=evidence),
        timeout=int(settings.approval_hours * 3600),
        # The same question has its answer already; about another champion it is another question.
        key=f"version-{version}-after-{champion or 'none'}",
    )
    said = "approved" if answer.decision == "approve" else "rejected"
    set_tag(name, version, TAG, f"{said} by {answer.by}: {answer.reason}")
    return answer


def decide(run: str, decision: Literal["approve", "reject"], reason: str) -> FlowRun:
    """Answer for the person at this machine; `run` is a flow run's name or id.

    Raises ApprovalError where there is no such run, it does not wait for an answer, or the reason is refused.
    """
    found = _waiting(run)
    try:
        resume_flow_run(found.id, run_input={"decision": decision, "reason": reason, "by": whoami()})
    except FlowPauseTimeout as error:
        raise ApprovalError(
            f"flow run {found.name} waited too long, which was a no; run it again to be asked"
        ) from error
    except RuntimeError as error:
        raise ApprovalError(f"flow run {found.name}: {error}") from error
    return found


def _waiting(run: str) -> FlowRun:
    with get_client(sync_client=True) as client:
        try:
            found = [client.read_flow_run(UUID(run))]
        except ObjectNotFound:
            found = []
        except ValueError:
            found = client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[run])))
    if not found:
        raise ApprovalError(f"there is no flow run {run} on the Prefect server at {_address()}")
    waiting = [each for each in found if each.state is not None and each.state.is_paused()]
    if len(waiting) != 1:
        states = ", ".join(f"{each.id}: {each.state_name}" for each in found)
        raise ApprovalError(f"flow run {run} does not wait for an answer ({states})")
    return waiting[0]


def _address() -> str:
    from prefect.settings import PREFECT_API_URL

    return PREFECT_API_URL.value() or "(none: set PREFECT_API_URL)"


def main(decision: Literal["approve", "reject"], run: str, reason: str) -> None:
    """Answer, and say what happens next."""
    try:
        found = decide(run, decision, reason)
    except ApprovalError as error:
        sys.exit(str(error))
    print(f"flow run {found.name} ({found.id}): {decision}, by {whoami()}; its worker takes it up again")


if __name__ == "__main__":
    decision, *arguments = sys.argv[1:]
    main("approve" if decision == "approve" else "reject", *arguments)
