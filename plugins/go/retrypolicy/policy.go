// Package retrypolicy exports the interface that says whether a failed job is tried again.
package retrypolicy

import (
	"encoding/json"

	jobhost "jobhost-plugin"
	host "jobhost-plugin/internal/wit/jobhost_plugin_types"
)

// Policy says whether a failed job is tried again.
type Policy func(job *jobhost.Job[json.RawMessage], cause jobhost.FailureCause) jobhost.RetryDecision

var answer Policy

// Ask has the function say it; call it from init.
func Ask(ask Policy) {
	answer = ask
}

// CanRetry is what the host calls.
func CanRetry(told host.Job, cause host.FailureCause) host.RetryDecision {
	job, err := jobhost.JobFromHost[json.RawMessage](told)
	if err != nil {
		return host.MakeRetryDecisionUnchanged()
	}
	return jobhost.DecisionToHost(answer(job, jobhost.CauseFromHost(cause)))
}
