from dataclasses import dataclass

from jobhost_plugin import Job, JobError, config, context, handler, keyvalue


@dataclass
class Count:
    number: int


@handler
def keep(job: Job[dict]) -> dict:
    context.progress(float("nan"), float("inf"))
    bucket = keyvalue.Bucket("tasks")
    bucket.set("count", Count(7))
    bucket.set("gone", "é\ud83d")
    was = bucket.exists("gone")
    bucket.delete("gone")
    try:
        keyvalue.Bucket("others").get("count")
    except JobError as error:
        denied = error.failure.code
    return {
        "greeting": config.required("greeting"),
        "absent": config.get("absent"),
        "settings": config.get_all(),
        "names": bucket.update("names", lambda names: [*(names or []), job.payload["name"]]),
        "same": bucket.update("count", lambda count: count),
        "sum": bucket.increment("sum", -(2**40)),
        "count": bucket.get("count"),
        "was": was,
        "gone": bucket.get("gone"),
        "half": [config.get("\ud83d"), bucket.get("\ud83d")],
        "keys": bucket.keys(),
        "denied": denied,
    }
