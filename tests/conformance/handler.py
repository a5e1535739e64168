import logging
import random
import uuid
from datetime import timedelta
from typing import Any

from jobhost_plugin import Draft, Job, JobError, PushError, context, handler, queue


@handler
def run(job: Job[dict[str, Any]]) -> Any:
    match job.payload["do"]:
        case "echo":
            return {"text": job.payload["text"]}
        case "length":
            return {"length": len(job.payload["text"])}
        case "temporary":
            raise JobError.temporary("busy", "later, perhaps")
        case "permanent":
            raise JobError.permanent("never", "nobody can").detail("path", "a.b")
        case "retry-after":
            raise JobError.retry_after(timedelta(seconds=1.5), "429", "too many")
        case "uncaught":
            return job.payload["absent"]
        case "progress":
            context.progress(1, None, "begun")
            context.progress(2, 3, "näher")
        case "logs":
            logging.debug("a")
            logging.info("b %s", "🦀")
            logging.warning("c")
            logging.error("d")
        case "push":
            first = Draft("follow-up", "first", {"text": "ü"})
            first.delay, first.ttr, first.metadata = timedelta(seconds=1.5), timedelta(seconds=2.5), {"tenant": "7"}
            queue.push(first)
            return {"id": queue.push_now(Draft("follow-up", "second"))}
        case "refused-push":
            try:
                queue.push(Draft("follow-up", "first"))
            except PushError as error:
                return {"refused": error.kind}
        case "loop":
            while True:
                pass
        case "random":
            return {"numbers": [random.random(), random.random()], "id": str(uuid.uuid4())}
        case "job":
            return {
                "id": job.id,
                "key": job.key,
                "name": job.name,
                "attempt": job.attempt,
                "of": job.max_attempts,
                "ttr": int(job.ttr.total_seconds()),
                "tenant": job.metadata["tenant"],
                "remaining": context.remaining() > timedelta(),
            }
    return None
