// Announces greetings and gives up on what will never work: hooks to change into your own.
package main

import (
	"encoding/json"
	"log/slog"

	jobhost "jobhost-plugin"
	"jobhost-plugin/aftererror"
	"jobhost-plugin/afterexec"
)

// Greeting is the output of the jobs that are done.
type Greeting struct {
	Text string `json:"text"`
}

func init() {
	afterexec.Hear(announce)
	aftererror.Hear(decide)
}

// announce hears of every job that is done.
func announce(job *jobhost.Job[json.RawMessage], greeting Greeting, _ jobhost.AttemptReport) error {
	slog.Info(job.Name + " is done")
	// Stored in the step that settles the job, or not at all.
	return jobhost.Push(jobhost.Draft{Queue: "follow-up", Name: "announce", Payload: greeting})
}

// decide hears of every attempt that has failed, and has the last word on what becomes of the job.
func decide(
	job *jobhost.Job[json.RawMessage],
	cause jobhost.FailureCause,
	_ jobhost.RetryDecision,
	_ jobhost.AttemptReport,
) (jobhost.RetryDecision, error) {
	slog.Warn(job.Name + " has failed: " + cause.Code)
	if cause.Code == "no-name" {
		return jobhost.GiveUp("nobody will have a name later"), nil
	}
	return jobhost.Unchanged(), nil
}

// Nothing runs but what the host calls.
func main() {}
