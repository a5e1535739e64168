// Package beforeexec exports the hook that hears of jobs before they run.
package beforeexec

import (
	"encoding/json"
	"time"

	jobhost "jobhost-plugin"
	wit "jobhost-plugin/internal/wit/jobhost_plugin_before_exec"
	host "jobhost-plugin/internal/wit/jobhost_plugin_types"
	"jobhost-plugin/internal/wit/types"
)

// Decision is what becomes of a job. Its zero value has it run.
type Decision struct {
	tag     uint8
	by      time.Duration
	reason  string
	failure jobhost.Failure
}

// Proceed has the job run.
func Proceed() Decision { return Decision{} }

// Skip does not run the job: it is done, and this is why.
func Skip(reason string) Decision {
	return Decision{tag: wit.ExecDecisionSkip, reason: reason}
}

// Postpone does not run the job for so long, in whole milliseconds; the attempt is not counted.
func Postpone(by time.Duration) Decision {
	return Decision{tag: wit.ExecDecisionPostpone, by: by}
}

// Fail does not run the job: the attempt has failed.
func Fail(failure jobhost.Failure) Decision {
	return Decision{tag: wit.ExecDecisionFail, failure: failure}
}

// Hook hears of a job before it runs. An error says that the hook itself is broken.
type Hook func(job *jobhost.Job[json.RawMessage]) (Decision, error)

var hear Hook

// Hear has the function hear of every job before it runs; call it from init.
func Hear(hook Hook) {
	hear = hook
}

func decided(told host.Job) (answer wit.ExecDecision, err error) {
	defer jobhost.Recovered(&err)
	job, err := jobhost.JobFromHost[json.RawMessage](told)
	if err != nil {
		return answer, err
	}
	decision, err := hear(job)
	if err != nil {
		return answer, err
	}
	switch decision.tag {
	case wit.ExecDecisionSkip:
		return wit.MakeExecDecisionSkip(jobhost.WellFormed(decision.reason)), nil
	case wit.ExecDecisionPostpone:
		return wit.MakeExecDecisionPostpone(jobhost.Milliseconds(decision.by)), nil
	case wit.ExecDecisionFail:
		return wit.MakeExecDecisionFail(jobhost.FailureToHost(decision.failure)), nil
	}
	return wit.MakeExecDecisionProceed(), nil
}

// BeforeExec is what the host calls.
func BeforeExec(job host.Job) wit_types.Result[wit.ExecDecision, string] {
	answer, err := decided(job)
	if err != nil {
		return wit_types.Err[wit.ExecDecision, string](jobhost.HookError(err))
	}
	return wit_types.Ok[wit.ExecDecision, string](answer)
}
