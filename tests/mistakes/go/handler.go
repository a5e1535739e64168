// What plugins say by mistake.
package main

import (
	"encoding/json"
	"errors"
	"math"
	"time"

	jobhost "jobhost-plugin"
	"jobhost-plugin/aftererror"
	"jobhost-plugin/afterexec"
	"jobhost-plugin/beforeexec"
	"jobhost-plugin/beforepush"
	"jobhost-plugin/handler"
	"jobhost-plugin/retrypolicy"
	"jobhost-plugin/timetorun"
)

// No UTF-8.
const half = "a\xf0"

type payload struct {
	Do string `json:"do"`
}

func init() {
	handler.Run(run)
	timetorun.Ask(func(jobhost.Draft) time.Duration { return math.MaxInt64 })
	retrypolicy.Ask(func(*jobhost.Job[json.RawMessage], jobhost.FailureCause) jobhost.RetryDecision {
		return jobhost.Again(-1)
	})
	beforepush.Hear(func(jobhost.Draft) (beforepush.Decision, error) { return beforepush.Accept(), errors.New(half) })
	beforeexec.Hear(func(*jobhost.Job[json.RawMessage]) (beforeexec.Decision, error) { panic(half) })
	afterexec.Hear(func(*jobhost.Job[json.RawMessage], any, jobhost.AttemptReport) error { return errors.New(half) })
	aftererror.Hear(failed)
}

func run(job *jobhost.Job[payload]) (any, error) {
	switch job.Payload.Do {
	case "halves":
		jobhost.Progress(1, 0, half)
		draft := jobhost.Draft{Queue: "follow-up", Name: half, Metadata: map[string]string{half: half}}
		return nil, jobhost.Push(draft)
	case "nil":
		var none *jobhost.JobError
		return nil, none
	case "bare":
		return nil, (&jobhost.JobError{Failure: jobhost.Failure{Code: "bare"}}).Detail("path", "a.b")
	}
	return nil, nil
}

func failed(
	*jobhost.Job[json.RawMessage],
	jobhost.FailureCause,
	jobhost.RetryDecision,
	jobhost.AttemptReport,
) (jobhost.RetryDecision, error) {
	return jobhost.Unchanged(), errors.New(half)
}

func main() {}
