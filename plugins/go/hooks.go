package jobhost

import (
	"fmt"
	"time"

	host "jobhost-plugin/internal/wit/jobhost_plugin_types"
)

// RetryDecision is what becomes of a failed job. Its zero value leaves what the host, or the link before this one, decided.
type RetryDecision struct {
	tag    uint8
	after  time.Duration
	reason string
}

// Unchanged leaves what was decided.
func Unchanged() RetryDecision { return RetryDecision{} }

// Retry makes another attempt, after the queue's own backoff.
func Retry() RetryDecision { return RetryDecision{tag: host.RetryDecisionRetry} }

// Again makes another attempt, after this long, in whole milliseconds.
func Again(after time.Duration) RetryDecision {
	return RetryDecision{tag: host.RetryDecisionRetryAfter, after: after}
}

// GiveUp makes no further attempt, and says why.
func GiveUp(reason string) RetryDecision {
	return RetryDecision{tag: host.RetryDecisionGiveUp, reason: reason}
}

// FailureCause says why an attempt ended badly: the handler's own error, or the host's finding.
type FailureCause struct {
	// temporary, retry-after or permanent, or what the host found, such as timed-out.
	Kind string
	// The handler's own, or the kind, and a sentence about what the host found.
	Failure
	// For how long the handler asked, with retry-after.
	After time.Duration
}

// AttemptReport is what an attempt cost.
type AttemptReport struct {
	// How long the job waited; negative where that is not known.
	Waited time.Duration
	// How long it ran.
	Duration time.Duration
	// Bytes of linear memory at its highest.
	PeakMemory uint64
	// The version that ran, such as sha256:...
	PluginDigest string
}

// DecisionToHost is for the packages of this module.
func DecisionToHost(decision RetryDecision) host.RetryDecision {
	switch decision.tag {
	case host.RetryDecisionRetry:
		return host.MakeRetryDecisionRetry()
	case host.RetryDecisionRetryAfter:
		return host.MakeRetryDecisionRetryAfter(Milliseconds(decision.after))
	case host.RetryDecisionGiveUp:
		return host.MakeRetryDecisionGiveUp(WellFormed(decision.reason))
	}
	return host.MakeRetryDecisionUnchanged()
}

// DecisionFromHost is for the packages of this module.
func DecisionFromHost(decision host.RetryDecision) RetryDecision {
	switch decision.Tag() {
	case host.RetryDecisionRetryAfter:
		return Again(fromMilliseconds(decision.RetryAfter()))
	case host.RetryDecisionGiveUp:
		return GiveUp(decision.GiveUp())
	}
	return RetryDecision{tag: decision.Tag()}
}

// CauseFromHost is for the packages of this module.
func CauseFromHost(cause host.FailureCause) FailureCause {
	found := func(kind, message string) FailureCause {
		return FailureCause{Kind: kind, Failure: Failure{Code: kind, Message: message}}
	}
	switch cause.Tag() {
	case host.FailureCauseReturned:
		return returned(cause.Returned())
	case host.FailureCauseTimedOut:
		return found("timed-out", fmt.Sprintf("it took longer than %v", fromMilliseconds(cause.TimedOut())))
	case host.FailureCauseOutOfMemory:
		return found("out-of-memory", fmt.Sprintf("it needed more memory than %d bytes", cause.OutOfMemory()))
	case host.FailureCauseOutOfFuel:
		return found("out-of-fuel", fmt.Sprintf("it used up %d units of fuel", cause.OutOfFuel()))
	case host.FailureCauseTrapped:
		return found("trapped", cause.Trapped())
	case host.FailureCauseExited:
		return found("exited", fmt.Sprintf("it ended itself with status %d", cause.Exited()))
	case host.FailureCauseCrashed:
		return found("crashed", fmt.Sprintf("its worker died %d times", cause.Crashed()))
	case host.FailureCauseLimit:
		return found("limit", cause.Limit())
	case host.FailureCauseUnhandled:
		return found("unhandled", "no plugin handles a job of this name")
	case host.FailureCauseUndecodable:
		return found("undecodable", cause.Undecodable())
	case host.FailureCauseHookFailed:
		return found("hook-failed", cause.HookFailed())
	}
	return found("other", cause.Other())
}

func returned(err host.JobError) FailureCause {
	read := func(kind string, failure host.Failure) FailureCause {
		told := Failure{failure.Code, failure.Message, named(failure.Details)}
		return FailureCause{Kind: kind, Failure: told}
	}
	switch err.Tag() {
	case host.JobErrorTemporary:
		return read("temporary", err.Temporary())
	case host.JobErrorPermanent:
		return read("permanent", err.Permanent())
	}
	cause := read("retry-after", err.RetryAfter().Failure)
	cause.After = fromMilliseconds(err.RetryAfter().After)
	return cause
}

// ReportFromHost is for the packages of this module.
func ReportFromHost(report host.AttemptReport) AttemptReport {
	waited := time.Duration(-1)
	if report.Waited.IsSome() {
		waited = fromMilliseconds(report.Waited.Some())
	}
	return AttemptReport{waited, fromMilliseconds(report.Duration), report.PeakMemory, report.PluginDigest}
}
