package jobhost

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"jobhost-plugin/internal/wit/jobhost_plugin_types"
)

// The detail with the trace of a panic.
const backtrace = "backtrace"

// Failure says why a job failed, for machines and for people.
type Failure struct {
	// Short and stable, such as 35020 or upstream-503.
	Code string
	// A sentence for people.
	Message string
	// More, by name.
	Details map[string]string
}

// JobError is how a handler's attempt failed. Any other error is a temporary one with the code error.
type JobError struct {
	Failure
	kind  uint8
	after time.Duration
}

// Temporary says that another attempt may succeed.
func Temporary(code, message string) *JobError {
	return newError(jobhost_plugin_types.JobErrorTemporary, code, message)
}

// RetryAfter says that another attempt may succeed, but not before this long (HTTP 429 and the like).
func RetryAfter(after time.Duration, code, message string) *JobError {
	err := newError(jobhost_plugin_types.JobErrorRetryAfter, code, message)
	err.after = after
	return err
}

// Permanent says that no attempt will succeed.
func Permanent(code, message string) *JobError {
	return newError(jobhost_plugin_types.JobErrorPermanent, code, message)
}

func newError(kind uint8, code, message string) *JobError {
	return &JobError{Failure: Failure{Code: code, Message: message}, kind: kind}
}

// Detail adds a detail.
func (e *JobError) Detail(name, value string) *JobError {
	if e.Details == nil {
		e.Details = map[string]string{}
	}
	e.Details[name] = value
	return e
}

func (e *JobError) Error() string {
	return e.Code + ": " + e.Message
}

// ErrorToHost is for the packages of this module.
func ErrorToHost(err error) jobhost_plugin_types.JobError {
	var own *JobError
	if !errors.As(err, &own) {
		own = Temporary("error", err.Error())
	} else if own == nil {
		own = Temporary("error", "the error is a nil *JobError, which is not nil as an error: return nil itself")
	}
	failure := FailureToHost(own.Failure)
	switch own.kind {
	case jobhost_plugin_types.JobErrorPermanent:
		return jobhost_plugin_types.MakeJobErrorPermanent(failure)
	case jobhost_plugin_types.JobErrorRetryAfter:
		delayed := jobhost_plugin_types.DelayedFailure{Failure: failure, After: Milliseconds(own.after)}
		return jobhost_plugin_types.MakeJobErrorRetryAfter(delayed)
	}
	return jobhost_plugin_types.MakeJobErrorTemporary(failure)
}

// FailureToHost is for the packages of this module.
func FailureToHost(failure Failure) jobhost_plugin_types.Failure {
	return jobhost_plugin_types.Failure{
		Code:    WellFormed(failure.Code),
		Message: WellFormed(failure.Message),
		Details: pairs(failure.Details),
	}
}

// HookError is the text of a hook's error. The trace of a panic, for which it has no place, goes to stderr. It is for the
// packages of this module.
func HookError(err error) string {
	var own *JobError
	if errors.As(err, &own) && own != nil && own.Details[backtrace] != "" {
		fmt.Fprintln(os.Stderr, own.Details[backtrace])
	}
	return WellFormed(err.Error())
}

// Recovered makes a panic an error, with its trace among the details. It is for the packages of this module.
func Recovered(err *error) {
	if value := recover(); value != nil {
		*err = Temporary("panic", fmt.Sprint(value)).Detail(backtrace, string(debug.Stack()))
	}
}
