// Package beforepush exports the hook that hears of jobs before they are stored.
package beforepush

import (
	jobhost "jobhost-plugin"
	wit "jobhost-plugin/internal/wit/jobhost_plugin_before_push"
	host "jobhost-plugin/internal/wit/jobhost_plugin_types"
	"jobhost-plugin/internal/wit/types"
)

// Decision is what becomes of a draft. Its zero value has it stored as it is.
type Decision struct {
	tag    uint8
	draft  jobhost.Draft
	reason string
}

// Accept has the draft stored as it is.
func Accept() Decision { return Decision{} }

// Replace has this draft stored instead. Its queue must be the same.
func Replace(draft jobhost.Draft) Decision {
	return Decision{tag: wit.PushDecisionReplace, draft: draft}
}

// Reject has nothing stored; the pusher is told why.
func Reject(reason string) Decision {
	return Decision{tag: wit.PushDecisionReject, reason: reason}
}

// Hook hears of a job before it is stored. An error says that the hook itself is broken.
type Hook func(draft jobhost.Draft) (Decision, error)

var hear Hook

// Hear has the function hear of every job that is pushed; call it from init.
func Hear(hook Hook) {
	hear = hook
}

func decided(draft host.JobDraft) (answer wit.PushDecision, err error) {
	defer jobhost.Recovered(&err)
	decision, err := hear(jobhost.DraftFromHost(draft))
	if err != nil {
		return answer, err
	}
	switch decision.tag {
	case wit.PushDecisionReplace:
		draft, err := jobhost.DraftToHost(decision.draft)
		return wit.MakePushDecisionReplace(draft), err
	case wit.PushDecisionReject:
		return wit.MakePushDecisionReject(jobhost.WellFormed(decision.reason)), nil
	}
	return wit.MakePushDecisionAccept(), nil
}

// BeforePush is what the host calls.
func BeforePush(draft host.JobDraft) wit_types.Result[wit.PushDecision, string] {
	answer, err := decided(draft)
	if err != nil {
		return wit_types.Err[wit.PushDecision, string](jobhost.HookError(err))
	}
	return wit_types.Ok[wit.PushDecision, string](answer)
}
