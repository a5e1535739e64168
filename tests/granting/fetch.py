from pathlib import Path

from jobhost_plugin import Job, handler, http


@handler
def fetch(job: Job[dict]) -> dict:
    answer = http.get(job.payload["url"])
    return {"text": answer.text() + Path("/data/in.txt").read_text()}
