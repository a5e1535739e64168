// Package aftererror exports the hook that hears of failed attempts, and has the last word on what becomes of the job.
package aftererror

import (
	"encoding/json"

	jobhost "jobhost-plugin"
	host "jobhost-plugin/internal/wit/jobhost_plugin_types"
	"jobhost-plugin/internal/wit/types"
)

// Hook hears of a failed attempt, with what has been decided so far. An error says that the hook itself is broken.
type Hook func(
	job *jobhost.Job[json.RawMessage],
	cause jobhost.FailureCause,
	decision jobhost.RetryDecision,
	report jobhost.AttemptReport,
) (jobhost.RetryDecision, error)

var hear Hook

// Hear has the function hear of every failed attempt; call it from init.
func Hear(hook Hook) {
	hear = hook
}

func decided(
	told host.Job,
	cause host.FailureCause,
	decision host.RetryDecision,
	report host.AttemptReport,
) (answer jobhost.RetryDecision, err error) {
	defer jobhost.Recovered(&err)
	job, err := jobhost.JobFromHost[json.RawMessage](told)
	if err != nil {
		return answer, err
	}
	return hear(job, jobhost.CauseFromHost(cause), jobhost.DecisionFromHost(decision), jobhost.ReportFromHost(report))
}

// AfterError is what the host calls.
func AfterError(
	job host.Job,
	cause host.FailureCause,
	decision host.RetryDecision,
	report host.AttemptReport,
) wit_types.Result[host.RetryDecision, string] {
	answer, err := decided(job, cause, decision, report)
	if err != nil {
		return wit_types.Err[host.RetryDecision, string](jobhost.HookError(err))
	}
	return wit_types.Ok[host.RetryDecision, string](jobhost.DecisionToHost(answer))
}
