"""Returns its payload."""

from typing import Any

from jobhost_plugin import Job, handler


@handler
def echo(job: Job[Any]) -> Any:
    return job.payload
